"""What is read of a machine, and what stays unknown."""

from __future__ import annotations

import pytest

from harness.host import dgx_os, gpu_and_driver, memory_gib, read_host, serial_sha256
from harness.types import Host

MEMINFO = "MemTotal:       127600000 kB\nMemFree:  1 kB\nMemAvailable:   104857600 kB\n"


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("NVIDIA GB10, 580.95.05\n", ("NVIDIA GB10", "580.95.05")),
        ("NVIDIA GB10, [N/A]\n", ("NVIDIA GB10", None)),
        ("[N/A], [N/A]\n", (None, None)),
        ("NVIDIA H100, 570.1\nNVIDIA H100, 570.1\n", ("NVIDIA H100", "570.1")),
        ("", (None, None)),
    ],
)
def test_nvidia_smi_is_read(listing: str, expected: tuple[str | None, str | None]) -> None:
    """`[N/A]` means unknown, never a value."""
    assert gpu_and_driver(listing) == expected


def test_memory_is_in_gib() -> None:
    """MemTotal and MemAvailable come in GiB; what is missing is unknown."""
    total, available = memory_gib(MEMINFO)
    assert total == pytest.approx(121.69, abs=0.01)
    assert available == pytest.approx(100.0)
    assert memory_gib("") == (None, None)


@pytest.mark.parametrize(
    ("architecture", "gpu", "expected"),
    [
        ("aarch64", "NVIDIA GB10", True),
        ("x86_64", "NVIDIA GB10", False),
        ("aarch64", "NVIDIA GH200 480GB", False),
        ("aarch64", None, False),
    ],
)
def test_a_gb10_is_recognised(architecture: str, gpu: str | None, expected: bool) -> None:
    """aarch64 with NVIDIA GB10 in nvidia-smi, and nothing else."""
    host = Host(
        architecture=architecture,
        os="x",
        kernel="x",
        cpus=20,
        memory_total_gib=None,
        memory_available_gib=None,
        gpu=gpu,
    )
    assert host.is_gb10 is expected


DGX_RELEASE = """DGX_NAME="DGX Spark"
DGX_PRETTY_NAME="NVIDIA DGX Spark"
DGX_SWBUILD_DATE="2025-09-10-13-50-03"
DGX_SWBUILD_VERSION="7.2.3"
DGX_OTA_VERSION="7.3.1"
"""


def test_the_unit_is_known_without_its_serial() -> None:
    """The serial is only there as a digest; what firmware says when it has none is unknown."""
    digest = serial_sha256("1983925000123\n")
    assert digest is not None and len(digest) == 64 and "1983925" not in digest
    assert digest == serial_sha256("1983925000123")
    assert {serial_sha256(nothing) for nothing in ("", "None", "To Be Filled By O.E.M.", " Default string\n")} == {None}


def test_the_release_of_dgx_os_is_the_last_update_s() -> None:
    """An update over the air changes the release that was installed; no file, no answer."""
    assert dgx_os(DGX_RELEASE) == "DGX Spark 7.3.1"
    assert dgx_os(DGX_RELEASE.partition("DGX_OTA")[0]) == "DGX Spark 7.2.3"
    assert dgx_os("") is None


def test_this_machine_can_be_read() -> None:
    """The facts that every Linux machine has are there."""
    host = read_host()
    assert host.memory_total_gib
    assert host.memory_available_gib
    assert host.memory_available_gib <= host.memory_total_gib
    assert host.boot_id
