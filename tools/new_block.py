"""Make a new block: ``python tools/new_block.py FAMILY NAME``, such as ``sketches reservoir``.

One stem on every floor: C, Cython and stubs, the pure twin, tests in Python and C, a benchmark and
a page. What is made is a small block that works (a tally: counters that keys share) with its tests;
it is replaced piece by piece. The files are those of ``tools/skeleton``, with other names.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKELETON = Path(__file__).resolve().parent / "skeleton"
FLOORS = {
    "block.h": "csrc/{family}/{block}.h",
    "block.c": "csrc/{family}/{block}.c",
    "block.pyx": "src/fastblocks/{family}/{block}.pyx",
    "block.pyi.txt": "src/fastblocks/{family}/{block}.pyi",
    "block.py.txt": "src/fastblocks/pure/{family}/{block}.py",
    "test_block.py.txt": "tests/{family}/test_{block}.py",
    "test_block.c": "tests/csrc/test_{block}.c",
    "bench_block.py.txt": "bench/{family}/bench_{block}.py",
    "block.md": "docs/{family}/{block}.md",
}
LEFT = """
Now build it (make dev) and run its tests (make test ARGS="-k {block}"). They pass; from here on it
is yours:

  1. Make it what it is to be: first src/fastblocks/pure/{family}/{block}.py and its tests, then
     the C, the .pyx and .pyi, the benchmark with its peers, the page with its figures and papers.
  2. Pin its bytes: a file in tests/golden, and a test that reads it.
  3. Add it to tests/test_memory.py (leaks), to tests/_core/test_cpu.py if it has kernels for some
     instruction sets; add tests/csrc/test_{block}_threads.c if readers take no lock.
  4. Add a line to CHANGELOG.md, to docs/index.md and docs/guides/threading.md, and to the guide of
     the family; what looks odd to docs/decisions.md, with its measurement.
  5. make check sanitize docs test
"""


def class_name(block: str) -> str:
    """Return the name of a block's class: `rotating_bloom` is `RotatingBloom`."""
    return "".join(word.capitalize() for word in block.split("_"))


def kind_of(block: str, root: Path) -> str:
    """Return four letters for the head of serialised bytes, that no other block has."""
    twins = (path.read_text(encoding="utf-8") for path in root.glob("src/fastblocks/pure/*/*.py"))
    taken = {kind for text in twins for kind in re.findall(r'b"([A-Z0-9]{4})", \d', text)}
    stem = block.replace("_", "").upper().ljust(4, "X")
    candidates = [stem[:4], *(stem[:3] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")]
    return next(kind for kind in candidates if kind not in taken)


def renamed(text: str, family: str, block: str, kind: str) -> str:
    """Return a file of the skeleton as one of the new block."""
    letters = ", ".join(f'c"{letter}"' for letter in kind)
    text = text.replace('c"T", c"A", c"L", c"Y"', letters).replace("TALY", kind)
    text = text.replace("FB_FAMILY", f"FB_{family.upper()}").replace("FAMILY", family)
    text = text.replace("TALLY", block.upper()).replace("Tally", class_name(block))
    return re.sub(r"\btally(?=\.[ch]\b)|(?<=\bfb_)tally", block, text)


# ---- the lists that name every block -----------------------------------------------------------


def with_export(text: str, module: str, name: str) -> str:
    """Return an ``__init__.py`` that has a name more; ruff puts it in its place."""
    text = re.sub(
        r"^(?=from \.|__all__)", f"from .{module} import {name}\n", text, count=1, flags=re.M
    )
    return text.replace("__all__ = [", f'__all__ = ["{name}", ', 1)


def with_module(text: str, family: str, block: str) -> str:
    """Return a ``setup.py`` that builds the module: behind those of its family."""
    lines = text.splitlines(keepends=True)
    first = lines.index("MODULES = {\n")
    end = lines.index("}\n", first)
    of_family = [i for i in range(first, end) if lines[i].startswith(f'    "{family}.')]
    at = of_family[-1] + 1 if of_family else end
    lines.insert(at, f'    "{family}.{block}": ["{block}"],\n')
    return "".join(lines)


def with_page(text: str, family: str, block: str) -> str:
    """Return an ``mkdocs.yml`` whose navigation has the page: behind those of its family."""
    page = f"      - {block.replace('_', ' ').capitalize()}: {family}/{block}.md\n"
    if pages := list(re.finditer(rf"^      - .*: {family}/\S+\.md\n", text, re.MULTILINE)):
        end = pages[-1].end()
        return text[:end] + page + text[end:]
    return text.replace("  - Decisions:", f"  - {family.capitalize()}:\n{page}  - Decisions:")


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Change a file."""
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def tidy(paths: list[Path], root: Path) -> None:
    """Sort imports and ``__all__``, and format."""
    files = [str(path) for path in paths if path.suffix in (".py", ".pyi")]
    for command in (["check", "--quiet", "--fix", "--select", "I,RUF022"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *files], cwd=root, check=True)


def make(family: str, block: str, root: Path = ROOT) -> list[Path]:
    """Make the files of a block and name it where blocks are named; return the files."""
    families = sorted(path.parent.name for path in root.glob("src/fastblocks/pure/*/__init__.py"))
    if family not in families:
        raise ValueError(f"FAMILY must be one of {', '.join(families)}, not {family!r}")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", block):
        raise ValueError(f"NAME must be lower case, words joined by '_', not {block!r}")
    made = {
        SKELETON / source: root / target.format(family=family, block=block)
        for source, target in FLOORS.items()
    }
    for path in made.values():
        if path.exists():
            raise ValueError(f"{path.relative_to(root)} is there already")
    kind = kind_of(block, root)
    for source, path in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = renamed(source.read_text(encoding="utf-8"), family, block, kind)
        path.write_text(text, encoding="utf-8")
    name = class_name(block)
    package = root / "src/fastblocks"
    exports = [
        (package / family / "__init__.py", block),
        (package / "pure" / family / "__init__.py", block),
        (package / "__init__.py", family),
        (package / "pure" / "__init__.py", family),
    ]
    for path, module in exports:
        rewrite(path, partial(with_export, module=module, name=name))
    rewrite(root / "setup.py", partial(with_module, family=family, block=block))
    rewrite(root / "mkdocs.yml", partial(with_page, family=family, block=block))
    tidy([*made.values(), *(path for path, _ in exports)], root)
    return list(made.values())


def main(arguments: list[str] | None = None) -> int:
    """Make a block and tell what is left to do; return 0, or 2 if it cannot be made."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("family", metavar="FAMILY")
    options.add_argument("name", metavar="NAME")
    given = options.parse_args(arguments)
    if importlib.util.find_spec("ruff") is None:
        print("ruff is needed, to sort and format: make dev", file=sys.stderr)
        return 2
    try:
        made = make(given.family, given.name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in made:
        print(path.relative_to(ROOT))
    print("setup.py, mkdocs.yml and four __init__.py name it.")
    print(LEFT.format(family=given.family, block=given.name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
