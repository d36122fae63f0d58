"""The operator's guide and what machines are told to run: every command in them exists and parses."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from check_jsonschema import main as check_schema
from ruamel.yaml import YAML

from harness.cli import build_parser
from harness.types import Verdict
from tests.test_plugin import run
from tests.test_project import code_blocks, headings

ROOT = Path(__file__).parent.parent
GUIDES = ("docs/operating.md", "docs/operating.zh-TW.md")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
UNITS = ROOT / "packaging" / "systemd"
TOOLS = {
    *("git", "cd", "source", "mkdir", "export", "docker", "rsync", "ssh", "pip", "systemctl", "journalctl", "install"),
    *("printf", "cp", "sudo", "rm", "echo"),
}
"""Programs of the system that a guide may name."""


def commands(text: str) -> list[str]:
    """Every line of the shell blocks, and every command of ours between backticks; continued lines as one."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    spoken = re.findall(r"`((?:python -m harness|pytest|make) [^`]+)`", text)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()] + spoken


def refused(command: str) -> str:
    """Why a command can't be typed like this; an empty text when it can."""
    command = re.sub(r"\$\{(\w+):\+([^}]*)\}", r"\2", command)
    words = [word for word in shlex.split(command.replace("…", "x"), comments=True) if word != "…"]
    while words and words[0] == "sudo" and any("python" in word for word in words):
        words = words[next(at for at, word in enumerate(words) if "python" in word) :]
    if words[0].endswith("python") and words[1:3] == ["-m", "harness"]:
        arguments = words[3 : words.index(">>")] if ">>" in words else words[3:]
        try:
            build_parser().parse_args(arguments)
        except SystemExit:
            return f"{command}: python -m harness does not take it"
    elif words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        done = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
        return f"{command}: {done.stderr}" if done.returncode else ""
    elif words[0] == "pytest":
        done = run("--collect-only", "-q", *words[1:])
        return f"{command}: {done.stderr}" if done.returncode else ""
    elif words[0] not in TOOLS:
        return f"{command}: {words[0]} is no tool that a guide may name"
    return ""


def test_every_command_of_the_guide_exists_and_parses() -> None:
    """Verbs with their options, make targets, pytest options; other programs are those of the system."""
    found = list(dict.fromkeys(commands((ROOT / GUIDES[0]).read_text())))
    assert len(found) > 30
    assert [why for command in found if (why := refused(command))] == []


def test_a_wrong_command_is_noticed() -> None:
    """The check above is one."""
    for wrong in ("python -m harness nightly --no-such", "python -m harness nigthly", "make no-such", "frobnicate x"):
        assert refused(wrong)


def test_the_two_guides_have_the_same_structure_and_commands() -> None:
    """Both languages say the same."""
    english, chinese = ((ROOT / guide).read_text() for guide in GUIDES)
    assert headings(chinese) == headings(english)
    assert code_blocks(chinese) == code_blocks(english)
    assert commands(chinese)[: len(commands(english))] == commands(english)
    assert english.count("\n|") == chinese.count("\n|")


def test_the_guide_knows_every_verdict_and_every_exit_code() -> None:
    """Each has a line that says what to do."""
    for guide in GUIDES:
        text = (ROOT / guide).read_text()
        assert [verdict for verdict in Verdict if not re.search(rf"^\| {verdict.value}\b", text, re.M)] == []
        assert [code for code in (0, 1, 2, 3, 4, 5, 130) if not re.search(rf"\|[^|]*\b{code}\b[^|]*\|", text)] == []


def workflow(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def schema_errors(*paths: Path) -> int:
    """The exit code of the schema's own checker."""
    with pytest.raises(SystemExit) as ended:
        check_schema(["--builtin-schema", "vendor.github-workflows", *map(str, paths)])
    return int(ended.value.code or 0)


def test_the_workflows_are_what_github_takes() -> None:
    """By GitHub's own schema of workflow files."""
    assert {path.name for path in WORKFLOWS} >= {"gb10-nightly.yml", "cpu-bench.yml"}
    assert schema_errors(*WORKFLOWS) == 0


def test_a_wrong_workflow_is_refused(tmp_path: Path) -> None:
    """The schema is one."""
    (tmp_path / "x.yml").write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-in:"))
    assert schema_errors(tmp_path / "x.yml") != 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_of_a_workflow_can_be_run(path: Path) -> None:
    """Shell that parses, commands that exist, actions pinned to a commit, no secret within reach of a stranger."""
    jobs = workflow(path)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    for step in steps:
        script = step.get("run", "")
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        assert "${{" not in script, "an expression in a script is a way in: pass it as a variable"
        lines = [line for line in script.replace("\\\n", " ").splitlines() if line.strip()]
        assert [why for line in lines if (why := refused(line))] == []
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))
    text = path.read_text()
    assert ("self-hosted" in text) != ("pull_request" in text), "a stranger's code must not run on somebody's hardware"
    assert "secrets." not in text or "pull_request" not in text


def test_the_systemd_units_are_what_systemd_takes(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say, with the checkout where the guide puts it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on PATH: the units are not verified here → apt-get install systemd")
    (tmp_path / "gb10-acceptance").symlink_to(ROOT)
    (tmp_path / "run").mkdir()
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}

    def verify(*units: Path) -> tuple[int, str]:
        line = ["systemd-analyze", "--user", "verify", *map(str, units)]
        done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    assert verify(UNITS / "gb10-nightly.service", UNITS / "gb10-nightly.timer") == (0, "")
    wrong = tmp_path / "gb10-nightly.service"
    wrong.write_text((UNITS / "gb10-nightly.service").read_text().replace("KillMode", "KilMode"))
    assert "Unknown key" in verify(wrong)[1]
    (start,) = re.findall(r"^ExecStart=%h/gb10-acceptance/\.venv/bin/(.*)$", (UNITS / wrong.name).read_text(), re.M)
    assert refused(start) == ""


def test_the_jenkinsfile_holds_a_pipeline_whose_commands_exist() -> None:
    """By structure: balanced, the parts of a declarative pipeline in place, shell that parses."""
    text = (ROOT / "packaging" / "Jenkinsfile").read_text()
    scripts = re.findall(r"sh (?:'''(.*?)'''|'([^']*)')", text, re.S)
    bare = re.sub(r"'''.*?'''|'[^'\n]*'|^//.*?$", "", text, flags=re.S | re.M)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.split()[:2] == ["pipeline", "{"]
    parts = re.findall(r"^    (\w+) \{", bare, re.M)
    assert parts == ["agent", "triggers", "options", "parameters", "environment", "stages", "post"]
    for script in (one or other for one, other in scripts):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        line = " ".join(script.replace("\\\n", " ").split())
        assert refused(line) == ""


def test_the_matrix_is_what_the_workflow_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """Each key that the workflow takes from a job is in every job."""
    from harness.cli import main

    main(["matrix", "--format", "github"])
    jobs = json.loads(capsys.readouterr().out.partition("=")[2])["include"]
    used = set(re.findall(r"matrix\.(\w+)", (ROOT / ".github/workflows/cpu-bench.yml").read_text()))
    assert all(used - {"outputs"} <= {*job} for job in jobs)
