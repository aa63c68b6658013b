"""The pytest side: a process runs one file, mostly for one library, and appends rows to a file.

Every line of the ``--rows`` file is a JSON object: ``{"start": [library, work, point]}``
before a measurement, and the row after it. A process that dies leaves a start without a row, and a
process started again on the same file goes on behind it.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from bench.model import Library, Record, Timed, Unsupported, Work, WrongAnswer
from bench.results import MISSING

BEGUN = pytest.StashKey[float]()
SLOW = 1e-3  # seconds; below, pytest-benchmark finds out how many calls make a round


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options the runner passes."""
    group = parser.getgroup("fastblocks benchmark")
    group.addoption(
        "--library",
        action="append",
        help="name of a library to run, again for more (default: the native one)",
    )
    group.addoption("--rows", type=Path, help="file that gets one JSON line per measurement")
    group.addoption("--scale", default="default", choices=("quick", "default", "full"))
    group.addoption("--round", type=int, default=0, help="number of the round, from 0")
    group.addoption("--budget", type=float, default=1.0, help="seconds for calls of a slow work")
    group.addoption("--settled", action="append", default=[], help="a work to leave out")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a work with each library that was asked for, and a sweep once for each of its points."""
    spec = getattr(metafunc.function, "work", None)
    if not isinstance(spec, Work):
        return
    libraries = _libraries(metafunc.module.LIBRARIES, metafunc.config.getoption("--library"))
    names = [library.name for library in libraries]
    metafunc.parametrize("lib", libraries, ids=names, indirect=True, scope="module")
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", spec.points_for(metafunc.config.getoption("--scale")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what this library, scale or round has no part in, and what was begun before."""
    begun = _begun(config.getoption("--rows"))
    items[:] = [item for item in items if _selected(item, config, begun)]


def _selected(item: pytest.Item, config: pytest.Config, begun: set[str]) -> bool:
    spec = _work(item)
    if spec is None or json.dumps(_key(item)) in begun:
        return False
    if not spec.takes(_library(item)):
        return False
    if spec.rounds and config.getoption("--round") >= spec.rounds:
        return False
    if spec.id in config.getoption("--settled"):
        return False
    return not spec.full_only or config.getoption("--scale") == "full"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the start, so that a crash can be laid at its door."""
    item.stash[BEGUN] = time.monotonic()
    _write(item, {"start": _key(item)})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """Turn what stopped a measurement into a row that says so."""
    outcome = yield
    if call.excinfo is None:
        return
    error = call.excinfo.value
    message = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, Unsupported):
        status = "unsupported"
        report = outcome.get_result()
        report.outcome, report.longrepr = "skipped", (str(item.path), None, message)
    elif isinstance(error, WrongAnswer):
        status, message = "wrong", f"wrong answer: {message}"
    elif isinstance(error, ImportError) and call.when == "setup":
        absent = isinstance(error, ModuleNotFoundError)
        status, message = "missing", MISSING if absent else f"import fails: {message}"
    elif isinstance(error, ModuleNotFoundError):
        status, message = "unsupported", f"needs {error.name}, which is not installed"
    else:
        status, message = "error", f"{type(error).__name__}: {message}"
    _write(item, {**_row(item), "status": status, "note": message})


@pytest.fixture(scope="module")
def lib(request: pytest.FixtureRequest) -> Library:
    """The library under test; made here, imported here."""
    made: Library = request.param()
    return made


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether this is a ``--full`` run."""
    return bool(request.config.getoption("--scale") == "full")


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether this is a ``--quick`` run, which only shows that everything works."""
    return bool(request.config.getoption("--scale") == "quick")


@pytest.fixture
def timed(request: pytest.FixtureRequest, benchmark: Any, quick: bool) -> Timed:
    """Time a callable by pytest-benchmark and write the row."""

    def measure(function: Callable[[], object], items: int, **values: float) -> None:
        times = [] if quick else _slow_calls(function, request.config)
        if not times:
            benchmark.pedantic(function) if quick else benchmark(function)
            times = benchmark.stats.stats.data
        row = {
            **_row(request.node),
            "status": "ok",
            "items": items,
            "rounds": len(times),
            "min_ns": min(times) / items * 1e9,
            "median_ns": median(times) / items * 1e9,
            "values": values,
        }
        _write(request.node, row)

    return measure


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Write a row of values that are not times."""

    def write(**values: float) -> None:
        _write(request.node, {**_row(request.node), "status": "ok", "values": values})

    return write


def _slow_calls(function: Callable[[], object], config: pytest.Config) -> list[float]:
    """Return the times of some calls if one takes long enough for the clock, or else none.

    The first call only tells how long one takes, unless that is more than the whole budget.
    """
    first = _seconds(function)
    budget = float(config.getoption("--budget"))
    if first > budget:
        return [first]
    if first < SLOW:
        return []
    least = min(int(config.getoption("benchmark_min_rounds")), int(budget / first))
    calls = max(int(float(config.getoption("benchmark_max_time")) / first), least)
    return [_seconds(function) for _ in range(calls)]


def _seconds(function: Callable[[], object]) -> float:
    gc.disable()
    try:
        begun = time.perf_counter()
        function()
        return time.perf_counter() - begun
    finally:
        gc.enable()


def _libraries(known: Iterable[type[Library]], wanted: list[str] | None) -> list[type[Library]]:
    by_name = {library.name: library for library in known}
    if wanted is None:
        return [next(library for library in by_name.values() if library.role == "native")]
    for name in wanted:
        if name not in by_name:
            raise pytest.UsageError(f"no library {name!r}; there are: {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def _library(item: Any) -> type[Library]:
    library: type[Library] = item.callspec.params["lib"]
    return library


def _work(item: Any) -> Work | None:
    spec = getattr(item.function, "work", None)
    return spec if isinstance(spec, Work) else None


def _key(item: Any) -> list[Any]:
    return [_library(item).name, item.function.work.id, item.callspec.params.get("point")]


def _row(item: Any) -> dict[str, Any]:
    library, work, point = _key(item)
    seconds = time.monotonic() - item.stash[BEGUN]
    return {"library": library, "work": work, "point": point, "seconds": round(seconds, 3)}


def _write(item: Any, line: dict[str, Any]) -> None:
    path: Path | None = item.config.getoption("--rows")
    if path is None:
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _begun(path: Path | None) -> set[str]:
    if path is None or not path.exists():
        return set()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {json.dumps(line["start"]) for line in lines if "start" in line}
