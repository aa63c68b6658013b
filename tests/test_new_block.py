"""``tools/new_block.py``: what it makes is tidy, has its places, compiles and passes its tests."""

import importlib.machinery
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools import new_block

ROOT = Path(__file__).parent.parent
FAMILY, BLOCK = "sketches", "new_tally"
COPIED = ["bench", "csrc", "docs", "src", "tests", "tools", "pyproject.toml", "setup.py"]
COPIED += ["mkdocs.yml", "CHANGELOG.md", "README.md"]
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
BUILT_HERE = (ROOT / "src" / "fastblocks" / "hashing" / f"xxh3{SUFFIX}").exists()

BENCH = f"""
import sys
sys.path[:0] = ["src", "."]
from bench.{FAMILY} import bench_{BLOCK} as bench
for library in bench.LIBRARIES:
    bench.bench_add(library(), lambda work, items: work())
    bench.bench_add_ints(library(), lambda work, items: work(), True)
"""


def run(folder, *command):
    """Run a command in a folder; what it printed is told if it fails."""
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project, built modules included, in which a block was made."""
    folder = tmp_path_factory.mktemp("project")
    ignore = shutil.ignore_patterns("__pycache__", "report", "*.png")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder / name)
    printed = run(folder, sys.executable, "tools/new_block.py", FAMILY, BLOCK)
    made = [line for line in printed.splitlines() if re.fullmatch(r"\w+/\S+", line)]
    assert len(made) == 9
    return folder, made


def test_files_and_lists(copy):
    folder, made = copy
    for name in made:
        text = (folder / name).read_text()
        assert not re.search(r"FAMILY|TALY|\bTALLY|\bTally\b|\bfb_tally|\btally\.[ch]\b", text), (
            name
        )
    assert '"sketches.new_tally": ["new_tally"],' in (folder / "setup.py").read_text()
    assert "      - New tally: sketches/new_tally.md\n" in (folder / "mkdocs.yml").read_text()
    python = [name for name in made if name.endswith((".py", ".pyi"))]
    inits = [f"src/fastblocks/{place}__init__.py" for place in ("", "pure/", "sketches/")]
    run(folder, sys.executable, "-m", "ruff", "check", *python, *inits)
    run(folder, sys.executable, "-m", "ruff", "format", "--check", *python, *inits)


def test_it_is_made_once_and_only_where_it_can_be(copy):
    folder, made = copy
    for arguments, reason in (
        ((FAMILY, BLOCK), f"{made[0]} is there already"),
        (("sketch", "x"), "FAMILY must be one of cache, filters, geo, hashing, limit, ring, "),
        ((FAMILY, "CamelCase"), "NAME must be lower case"),
        ((FAMILY, "../x"), "NAME must be lower case"),
    ):
        command = [sys.executable, "tools/new_block.py", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2
        assert reason in done.stderr


def test_the_first_block_of_a_family():
    init = new_block.with_export('"""Timers."""\n\n__all__ = []\n', "wheel", "Wheel")
    assert init == '"""Timers."""\n\nfrom .wheel import Wheel\n__all__ = ["Wheel", ]\n'
    setup = new_block.with_module('MODULES = {\n    "ring.jump": ["jump"],\n}\n', "timers", "wheel")
    assert setup.splitlines()[2] == '    "timers.wheel": ["wheel"],'
    pages = new_block.with_page("nav:\n  - Decisions: decisions.md\n", "timers", "wheel")
    assert pages.splitlines()[1:3] == ["  - Timers:", "      - Wheel: timers/wheel.md"]


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None or not BUILT_HERE,
    reason="calls the compiler as Linux has it, beside modules that were built in place",
)
def test_it_compiles_and_passes_its_tests(copy):
    folder, _ = copy
    compiler = shutil.which("cc")
    stem = f"src/fastblocks/{FAMILY}/{BLOCK}"
    sources = [f"csrc/{FAMILY}/{BLOCK}.c", *sorted(folder.glob("csrc/core/*.c"))]
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-Icsrc", "-Icsrc/core"]
    strict += ["-D_GNU_SOURCE", "-pthread"]
    run(folder, compiler, *strict, "-O1", f"tests/csrc/test_{BLOCK}.c", *sources, "-o", "c_test")
    assert run(folder, folder / "c_test").endswith(" 0 failed\n")

    directives = ["-X", "freethreading_compatible=True", "-X", "embedsignature=True"]
    directives += ["-X", "embedsignature.format=clinic", "-X", "binding=False"]
    directives += ["-X", "auto_pickle=False", "-X", "autotestdict=False"]
    cython = [sys.executable, "-m", "cython", "-3", "-I", "src", *directives]
    run(folder, *cython, f"{stem}.pyx", "-o", f"{BLOCK}.c")
    include = ["csrc", "csrc/core", "src/fastblocks/_core", sysconfig.get_path("include")]
    flags = ["-std=gnu11", "-O0", "-shared", "-fPIC", *(f"-I{path}" for path in include)]
    run(folder, compiler, *flags, f"{BLOCK}.c", *sources, "-o", f"{stem}{SUFFIX}", "-lm")

    tests = [f"tests/{FAMILY}/test_{BLOCK}.py", "tests/test_package.py", "tests/test_docs.py"]
    choice = f"{BLOCK} or NewTally or floor or reference or navigation or stand_in"
    options = ["-q", "-p", "no:cacheprovider", "-o", "pythonpath=src ."]
    run(folder, sys.executable, "-m", "pytest", *options, *tests, "-k", choice)
    run(folder, sys.executable, "-c", BENCH)
