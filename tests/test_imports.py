"""Who may import whom: `harness/__init__.py` says it, this holds everyone to it."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import HEAVY, IN_IMAGE, LAYERS, ONLY_IMPORTER

ROOT = Path(__file__).parent.parent
HARNESS = ROOT / "harness"
ROW = {name: row for row, names in enumerate(LAYERS) for name in names}
FILES = sorted(HARNESS.rglob("*.py"))


class Import(NamedTuple):
    file: str
    line: int
    module: str

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def imports(path: Path) -> Iterator[Import]:
    """Every import in the file, wherever it stands. `from harness import x` is an import of `harness.x`."""
    file = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the whole name instead of a relative import"
            module = node.module or ""
            names = [f"harness.{alias.name}" for alias in node.names] if module == "harness" else [module]
            yield from (Import(file, node.lineno, name) for name in names)


def own_name(path: Path) -> str:
    """The module as LAYERS names it: `engine` for harness/engine.py, `report` for all of harness/report/."""
    return path.relative_to(HARNESS).parts[0].removesuffix(".py")


def in_image(path: Path) -> bool:
    return any(path.is_relative_to(HARNESS / place) for place in IN_IMAGE)


def test_layers_name_every_module_once_and_nothing_else() -> None:
    there = {own_name(path) for path in FILES} - {"__init__"}
    named = [name for names in LAYERS for name in names]
    assert sorted(named) == sorted(there), "LAYERS in harness/__init__.py and the files in harness/ differ"


def test_a_module_imports_only_from_lower_rows_or_its_own_package() -> None:
    modules = {own_name(path) for path in FILES}
    wrong = [
        f"{found}: {own} is in row {ROW[own]}, {other} in row {ROW[other]}"
        for path in FILES
        if (own := own_name(path)) in ROW
        for found in imports(path)
        if found.top == "harness"
        and (other := found.module.split(".")[1] if "." in found.module else "") in modules
        and other != own
        and ROW[other] >= ROW[own]
    ]
    assert not wrong, "\n".join(["imports against LAYERS:", *wrong])


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(HARNESS / "__init__.py")) == []


def test_a_library_is_imported_only_where_it_is_named() -> None:
    wrong = [
        f"{found}: {', '.join(ONLY_IMPORTER.get(found.top, ())) or 'nobody'} may"
        for path in FILES
        for found in imports(path)
        if found.top not in sys.stdlib_module_names and found.top != "harness" and not in_image(path)
        if own_name(path) not in ONLY_IMPORTER.get(found.top, ())
    ]
    assert not wrong, "\n".join(["imports against ONLY_IMPORTER:", *wrong])


def test_code_for_the_image_knows_nothing_outside_its_package() -> None:
    wrong = [
        str(found)
        for path in FILES
        if in_image(path)
        for found in imports(path)
        if found.top == "harness" and not found.module.startswith(f"harness.{own_name(path)}.")
    ]
    assert not wrong


def test_suites_speak_only_to_the_harness() -> None:
    """A suite that needs a library of its own is missing a verb."""
    allowed = {*sys.stdlib_module_names, "harness", "hypothesis", "pytest", "suites"}
    wrong = [
        str(found)
        for path in [ROOT / "conftest.py", *sorted((ROOT / "suites").rglob("*.py"))]
        for found in imports(path)
        if found.top not in allowed
    ]
    assert not wrong


def test_ruff_says_the_same_while_typing() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert {*lint["flake8-tidy-imports"]["banned-api"]} == {*ONLY_IMPORTER}
    excused = {path for path, codes in lint["per-file-ignores"].items() if "TID251" in codes}
    importers = {name for names in ONLY_IMPORTER.values() for name in names}
    assert {path for path in excused if path.startswith("harness/")} == {
        f"harness/{name}/*" if (HARNESS / name).is_dir() else f"harness/{name}.py" for name in importers
    }


@pytest.mark.parametrize("module", ["harness.plugin", "harness.cli"])
def test_collection_and_help_load_no_heavy_library(module: str) -> None:
    script = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"import {module} loads what only a launch needs"
