"""This machine → Host. What can't be read is None."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from harness.types import Host

DMI = Path("/sys/class/dmi/id")
NO_SERIAL = frozenset({"", "0", "none", "not specified", "not applicable", "default string", "system serial number"})
"""What firmware without a serial number says instead."""
NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")


def read_host() -> Host:
    """Facts about this machine; takes some milliseconds, and nvidia-smi's time where there is one."""
    total, available = memory_gib(_text("/proc/meminfo"))
    gpu, driver = gpu_and_driver(_nvidia_smi())
    return Host(
        architecture=platform.machine(),
        os=_os_name(_text("/etc/os-release")),
        kernel=platform.release(),
        cpus=os.cpu_count() or 0,
        memory_total_gib=total,
        memory_available_gib=available,
        gpu=gpu,
        driver=driver,
        boot_id=boot_id(),
        oom_kills=oom_kills(),
        product=_dmi("product_name"),
        serial_sha256=serial_sha256(_dmi("product_serial") or ""),
        bios=" ".join(filter(None, map(_dmi, ("bios_vendor", "bios_version", "bios_date")))) or None,
        dgx_os=dgx_os(_text("/etc/dgx-release")),
        name=platform.node() or None,
    )


def serial_sha256(serial: str) -> str | None:
    """The digest that stands for a serial number; None for what firmware says when it has none.

    Only root may read the serial; for other users the unit stays unknown.
    """
    known = serial.strip().lower() not in NO_SERIAL and not serial.strip().lower().startswith("to be filled")
    return hashlib.sha256(serial.strip().encode()).hexdigest() if known else None


def dgx_os(release: str) -> str | None:
    """Name and release from the text of /etc/dgx-release: what was installed, then the last update over the air."""
    said = dict(re.findall(r'^(\w+)="?([^"\n]*)', release, re.MULTILINE))
    version = said.get("DGX_OTA_VERSION") or said.get("DGX_SWBUILD_VERSION")
    return f"{said.get('DGX_NAME', 'DGX OS')} {version}" if version else None


def boot_id() -> str | None:
    """What the kernel calls this boot; another one means that the host was restarted in between."""
    return _text("/proc/sys/kernel/random/boot_id").strip() or None


def memory_available_gib() -> float | None:
    """MemAvailable in GiB now."""
    return memory_gib(_text("/proc/meminfo"))[1]


def memory_total_gib() -> float | None:
    """MemTotal in GiB."""
    return memory_gib(_text("/proc/meminfo"))[0]


def oom_kills() -> int | None:
    """The kernel's count of processes killed for memory, in containers too."""
    found = re.search(r"^oom_kill (\d+)", _text("/proc/vmstat"), re.MULTILINE)
    return int(found.group(1)) if found else None


def memory_gib(meminfo: str) -> tuple[float | None, float | None]:
    """(MemTotal, MemAvailable) in GiB from the text of /proc/meminfo."""
    kib = dict(re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE))
    total, available = (int(kib[key]) / 2**20 if key in kib else None for key in ("MemTotal", "MemAvailable"))
    return total, available


def gpu_and_driver(listing: str) -> tuple[str | None, str | None]:
    """(name, driver) of the first GPU in nvidia-smi's CSV; `[N/A]` is unknown."""
    name, _, driver = listing.partition("\n")[0].partition(",")
    return _known(name), _known(driver)


def _dmi(name: str) -> str | None:
    return _text(str(DMI / name)).strip() or None


def _known(field: str) -> str | None:
    return None if not field.strip() or field.strip().startswith("[") else field.strip()


def _nvidia_smi() -> str:
    if not shutil.which(NVIDIA_SMI[0]):
        return ""
    try:
        return subprocess.run(NVIDIA_SMI, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""  # no driver, or a hung one: the GPU is unknown, and preflight says so


def _os_name(os_release: str) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', os_release, re.MULTILINE)
    return found.group(1) if found else platform.system()


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
