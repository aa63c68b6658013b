"""Check what a wheel holds: ``python tools/check_wheel.py dist/*.whl``."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "fastblocks"


def complaints(names: list[str]) -> list[str]:
    """What is wrong with a wheel of these files."""
    result = [f"not wanted: {n}" for n in names if re.search(r"\.(c|h|pyx|pxd|py[co])$", n)]
    for path in sorted(SOURCE.rglob("*")):
        name = f"fastblocks/{path.relative_to(SOURCE).as_posix()}"
        if path.suffix in (".lua", ".py", ".pyi", ".typed") and name not in names:
            result.append(f"missing: {name}")
        elif path.suffix == ".pyx":
            module = name.removesuffix(".pyx")
            if not any(re.fullmatch(rf"{module}\..*(so|pyd)", n) for n in names):
                result.append(f"missing: compiled {module}")
    return result


def main(paths: list[str]) -> int:
    """Print the complaints about each wheel; return 1 if there are any."""
    bad = 0
    for path in paths:
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
        found = complaints(names)
        bad += len(found)
        print(f"{path}: {len(names)} files", *found or ["as it should be"], sep="\n  ")
    return 1 if bad or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
