"""What holds for the project as a whole: its pages, its lock, its make targets, its words."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from harness import __version__

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
THIS = Path(__file__).relative_to(ROOT)


def tracked() -> dict[Path, str]:
    """Every text file that is, or would be, in the repository: logs that engines wrote and trained weights apart."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    texts = {}
    for name in sorted({*listed.split("\0")} - {""}):
        path = ROOT / name
        if path.is_file() and Path(name) != THIS and not name.startswith("tests/logs/"):
            data = path.read_bytes()
            if b"\0" not in data:
                texts[Path(name)] = data.decode()
    return texts


TEXTS = tracked()


def lines_with(pattern: str, *, inside: str = "") -> list[str]:
    """`file:line: text` of every match in the project's texts."""
    expression = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in TEXTS.items()
        if str(path).startswith(inside)
        for number, line in enumerate(text.splitlines(), 1)
        if expression.search(line)
    ]


@pytest.mark.parametrize(
    "host",
    [
        r"pypi\.org",
        r"pythonhosted\.org",
        r"debian\.org",
        r"ubuntu\.com",
        r"npmjs\.(com|org)",
        r"download\.pytorch\.org",
        r"(registry-1|index|hub|download)\.docker\.(io|com)",
        r"//docker\.io|\bdocker\.io/",  # docker.io alone is Debian's package
        r"quay\.io",
        r"ghcr\.io",
        r"gcr\.io\b(?<!nvcr\.io)",
        r"crates\.io",
        r"proxy\.golang\.org",
    ],
)
def test_no_registry_is_named(host: str) -> None:
    """The user's own settings choose the registries; only the image of the mission names its own."""
    assert lines_with(host) == []


def test_nothing_is_left_to_do_in_the_sources() -> None:
    assert lines_with(r"\b(TODO|FIXME|XXX|HACK)\b") == []


def test_no_path_of_one_machine_is_written_down() -> None:
    """The one home that may be named is the container's."""
    assert (
        lines_with(
            r"(?<![\w.}/-])/work/|(?<![\w.}/-])/root/(?!\.(?:cache|triton)/)|/home/(?!you\b|user\b)\w|\.\./shared"
        )
        == []
    )


def headings(text: str) -> list[int]:
    """The levels of the headings, in order, code blocks left out."""
    return [len(mark) for mark in re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)]


def code_blocks(text: str) -> list[str]:
    """The code blocks without comments, which are translated."""
    blocks = re.findall(r"^ *```(.*?)^ *```", text, re.M | re.S)
    return [re.sub(r"\s*#\s.*$", "", block, flags=re.M) for block in blocks]


def test_the_two_readmes_have_the_same_structure_and_code() -> None:
    english, chinese = (ROOT / "README.md").read_text(), (ROOT / "README.zh-TW.md").read_text()
    assert headings(chinese) == headings(english)
    assert code_blocks(chinese) == code_blocks(english)
    assert "README.zh-TW.md" in english
    assert "README.md" in chinese
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_every_link_between_files_leads_somewhere() -> None:
    broken = [
        f"{page}: {target}"
        for page, text in TEXTS.items()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        if "://" not in target and not target.startswith("mailto:") and not (ROOT / page.parent / target).exists()
    ]
    assert broken == []


def test_the_changelog_knows_this_version() -> None:
    assert PYPROJECT["project"]["version"] == __version__
    assert re.search(rf"^## .*(\b{re.escape(__version__)}\b|Unreleased)", (ROOT / "CHANGELOG.md").read_text(), re.M)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Package → its release in requirements.lock."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M))


def test_the_lock_covers_the_declared_dependencies_and_only_pins_with_hashes() -> None:
    declared = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]
    for requirement in declared:
        match = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement)
        assert match, f"{requirement}: write name>=release"
        name, least = match.groups()
        assert normal(name) in locked(), f"{name} is not in requirements.lock: make lock"
        have = [int(part) for part in re.findall(r"\d+", locked()[normal(name)])]
        assert have >= [int(part) for part in least.split(".")], f"{name} is locked below {least}: make lock"
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.M)[1:]
    assert len(entries) == len(locked())
    for entry in entries:
        assert "--hash=sha256:" in entry, entry
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_every_declared_dependency_is_used() -> None:
    """A library is imported, a plugin is set up in pytest.ini, a tool is run by the Makefile."""
    sources = "".join(text for path, text in TEXTS.items() if path.suffix == ".py")
    ini, makefile = TEXTS[Path("pytest.ini")], TEXTS[Path("Makefile")]
    for requirement in [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]:
        name = requirement.partition(">=")[0]
        imported = re.search(rf"^\s*(import|from) {name.replace('-', '_')}\b", sources, re.M)
        plugin = name.startswith("pytest-") and re.search(rf"^{name.removeprefix('pytest-')}", ini, re.M)
        assert imported or plugin or f"-m {name}" in makefile, f"{name} has no use"


def test_make_help_explains_every_target() -> None:
    """`make` alone is the manual."""
    makefile = TEXTS[Path("Makefile")]
    targets = re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.M)
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets
    assert re.findall(r"^  make ([\w-]+) +\S", shown, re.M) == targets
    assert {*targets} == {*re.findall(r"^\.PHONY: (\S+)$", makefile, re.M)}


@pytest.mark.parametrize("script", [".ci/setup", ".ci/wheels", ".ci/run"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)
