"""The package as a whole: what it exports, what importing it costs, that its documents are true."""

import doctest
import importlib
import inspect
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import fastblocks
import fastblocks.pure

ROOT = pathlib.Path(__file__).parent.parent
FAMILIES = ["cache", "filters", "geo", "hashing", "limit", "ring", "sketches"]


def public_names(cls):
    """In order, so that every process that runs tests collects the same ones."""
    return [name for name in dir(cls) if not name.startswith("_")]


def public_objects():
    """(name, object) of everything that users may call, methods included."""
    for family in FAMILIES:
        module = importlib.import_module(f"fastblocks.{family}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.ismodule(value):  # of functions
                twin = importlib.import_module(f"fastblocks.pure.{family}.{name}")
                for function in twin.__all__:
                    yield f"{family}.{name}.{function}", getattr(value, function)
                continue
            yield f"{family}.{name}", value
            if inspect.isclass(value) and not issubclass(value, Exception):
                for member in public_names(value):
                    if getattr(value, member) is not getattr(tuple, member, None):
                        yield f"{family}.{name}.{member}", getattr(value, member)


PUBLIC = dict(public_objects())


def test_classes_stand_in_family_and_at_the_top_and_in_pure():
    for name, value in PUBLIC.items():
        if inspect.isclass(value):
            family, cls = name.split(".")
            assert getattr(fastblocks, cls) is value
            assert cls in fastblocks.__all__
            twin = getattr(fastblocks.pure, cls)
            assert getattr(getattr(fastblocks.pure, family), cls) is twin
            assert public_names(value) == public_names(twin)


def test_pure_has_the_same_functions():
    for family in FAMILIES:
        native = importlib.import_module(f"fastblocks.{family}")
        pure = importlib.import_module(f"fastblocks.pure.{family}")
        assert native.__all__ == pure.__all__
        assert set(native.__all__) <= set(dir(native))


def test_version_is_the_projects():
    project = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{fastblocks.__version__}"\n' in project
    assert f"\n## {fastblocks.__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_import_is_light():
    program = "import sys, fastblocks; print(*{m.split('.')[0] for m in sys.modules})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(result.stdout.split())
    assert "fastblocks" in loaded
    assert not loaded & {"numpy", "numba", "h3", "pandas", "redis", "pyarrow", "tempfile"}


def test_scalar_use_never_imports_numpy():
    program = (
        "import sys, fastblocks; f = fastblocks.BloomFilter(9); f.update(['a', 1], (2,)); "
        "assert 'a' in f; f.from_bytes(f.to_bytes()); print('numpy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout == "False\n", result.stderr


def test_native_modules_need_no_gil():
    """Each declares that it is safe without the GIL (so that 3.13t does not turn it on)."""
    setup = (ROOT / "setup.py").read_text()
    assert '"freethreading_compatible": True' in setup


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings(name):
    value = PUBLIC[name]
    doc = inspect.getdoc(value)
    assert doc
    if inspect.isroutine(value):
        parameters = set(inspect.signature(value).parameters) - {"self", "cls"}
        assert ("Parameters\n----------" in doc) == bool(parameters)
        for parameter in parameters - {"others"}:
            assert re.search(rf"^(\w+, )*{parameter}(, \w+)* : ", doc, re.MULTILINE), parameter


@pytest.mark.parametrize("name", [n for n, v in PUBLIC.items() if ">>>" in (v.__doc__ or "")])
def test_examples_in_docstrings(name):
    test = doctest.DocTestParser().get_doctest(
        inspect.getdoc(PUBLIC[name]), {}, name, filename=None, lineno=0
    )
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert result.attempted > 0
    assert result.failed == 0


BENCHED_WITH = {("limit", "memory"): "limiter"}  # what is measured as part of another block


def test_every_block_stands_on_every_floor():
    for pyx in (ROOT / "src/fastblocks").glob("*/*.pyx"):
        family, block = pyx.parent.name, pyx.stem
        if family == "_core" or block.startswith("_"):
            continue
        for path in (
            f"src/fastblocks/{family}/{block}.pyi",
            f"src/fastblocks/pure/{family}/{block}.py",
            f"tests/{family}/test_{block}.py",
            f"bench/{family}/bench_{BENCHED_WITH.get((family, block), block)}.py",
            f"docs/{family}/{block}.md",
        ):
            assert (ROOT / path).is_file(), path


def test_all_modules_import():
    for module in pkgutil.walk_packages(fastblocks.__path__, "fastblocks."):
        importlib.import_module(module.name)
