"""Run every library in a process of its own, in interleaved rounds.

Libraries take turns (a, b, c, a, b, c, …), so that a slow phase of the machine hits all alike;
the results take the best of the rounds. What is far from fastblocks in the first one needs no
second, and the third is for what is close. A process that crashes or hangs costs the work it was
at, and is started again behind it.
"""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from bench import data
from bench.discovery import ROOT, Suite
from bench.model import Library, Work
from bench.process import running
from bench.results import Row, merge

POLL = 0.1
FAR = 3.0  # times as slow as fastblocks, or as fast: no noise turns that around
CLOSE = 1.5  # times: from the third round on, only what is so close runs again
ALONE = ("native", "peer")  # those who compete; the others run once, in one process
Key = tuple[str, str, "float | None"]
KEY = ("library", "work", "point")
RETURNED = (0, 1, 5)  # pytest's codes for: passed, some failed, nothing left to run


@dataclass(frozen=True)
class Scale:
    """How much a run does.

    Attributes
    ----------
    name : {"quick", "default", "full"}
        What the benchmark files see.
    rounds : int
        Processes per library.
    max_time : float
        Seconds per work and process to aim at.
    min_rounds : int
        Calls per work and process at least, but for slow ones.
    budget : float
        Seconds per work and process that slow calls may take, though they are fewer then.
    timeout : float
        Seconds without a new row after which a process is given up.
    together : bool
        Whether all libraries of a suite run in one process: for times that say nothing.
    """

    name: str
    rounds: int
    max_time: float
    min_rounds: int
    budget: float
    timeout: float
    together: bool = False


QUICK = Scale("quick", rounds=1, max_time=0.001, min_rounds=1, budget=0, timeout=60, together=True)
DEFAULT = Scale("default", rounds=3, max_time=0.06, min_rounds=3, budget=0.4, timeout=60)
FULL = Scale("full", rounds=5, max_time=1.0, min_rounds=5, budget=20, timeout=1200)


@dataclass(frozen=True)
class Job:
    """One process: libraries of one suite, mostly one, in one round, without `settled` works."""

    suite: Suite
    libraries: tuple[type[Library], ...]
    round: int
    settled: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it runs, for people."""
        return f"{self.suite.name} {', '.join(library.name for library in self.libraries)}"

    def expected(self, scale: Scale) -> list[Key]:
        """Return what it should report."""
        return [
            (library.name, work.id, point)
            for library in self.libraries
            for work in self.suite.works
            if self._runs(work, scale) and work.takes(library)
            for point in work.points_for(scale.name) or (None,)
        ]

    def _runs(self, work: Work, scale: Scale) -> bool:
        if work.id in self.settled or (work.full_only and scale.name != "full"):
            return False
        return not work.rounds or self.round < work.rounds


class Listener(Protocol):
    """What the progress display offers."""

    def begin(self, job: Job) -> None:
        """`job` starts."""

    def measure(self, job: Job, library: str, work: str, point: float | None) -> None:
        """`job` is at `work`."""

    def row(self, job: Job, work: str, row: Row) -> None:
        """`job` has a result."""

    def end(self, job: Job) -> None:
        """`job` is over."""


Rows = dict[tuple[str, str], list[Row]]


@dataclass
class Outcome:
    """What a run found: rows by suite and work, and the seconds of each suite."""

    rows: Rows = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def plan(suites: Sequence[Suite], scale: Scale, peers: bool = True) -> list[Job]:
    """Return the jobs in the order they run: who competes, alone and again; then the others."""
    jobs = []
    for suite in suites:
        libraries = tuple(lib for lib in suite.libraries if peers or lib.role != "peer")
        if scale.together:
            jobs.append(Job(suite, libraries, 0))
            continue
        alone = [lib for lib in libraries if lib.role in ALONE]
        jobs += [Job(suite, (lib,), turn) for turn in range(scale.rounds) for lib in alone]
        jobs.append(Job(suite, tuple(lib for lib in libraries if lib.role not in ALONE), 0))
    return [job for job in jobs if job.expected(scale)]


def run(jobs: Sequence[Job], scale: Scale, listener: Listener) -> Outcome:
    """Run `jobs` one after another."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="fastblocks-bench-") as name:
        folder = Path(name)
        data.snapshot(folder, limit=2_000 if scale.name == "quick" else None)
        for number, planned in enumerate(jobs):
            job = replace(planned, settled=_settled(planned, outcome.rows))
            begun = time.monotonic()
            listener.begin(job)
            file = folder / f"{number}.jsonl"
            with closing(_run_job(job, scale, folder, file, listener)) as results:
                for work, row in results:
                    outcome.rows.setdefault((job.suite.name, work), []).append(row)
            listener.end(job)
            took = time.monotonic() - begun
            outcome.seconds[job.suite.name] = outcome.seconds.get(job.suite.name, 0.0) + took
    return outcome


def _settled(job: Job, rows: Rows) -> tuple[str, ...]:
    """Return the works that the job's libraries need not run again after earlier rounds."""
    works = job.suite.works if job.round else ()
    return tuple(w.id for w in works if _enough(job, merge(rows.get((job.suite.name, w.id), []))))


def _enough(job: Job, rows: Sequence[Row]) -> bool:
    """Whether `rows` have no time of the job's libraries, or times far from those of rivals.

    The rivals of fastblocks are the peers; those of all others are fastblocks.
    """
    mine = {library.name for library in job.libraries}
    role = "peer" if any(library.role == "native" for library in job.libraries) else "native"
    rivals = {library.name for library in job.suite.libraries if library.role == role}
    timed = [row for row in rows if row.min_ns and row.library in mine]
    if not timed:
        return any(row.library in mine for row in rows)
    if role == "peer" and job.round < 2:
        return False
    factor = FAR if job.round < 2 else CLOSE
    return not any(
        1 / factor < (row.min_ns or 0.0) / other.min_ns < factor
        for row in timed
        for other in rows
        if other.library in rivals and other.point == row.point and other.min_ns
    )


def _run_job(
    job: Job, scale: Scale, folder: Path, file: Path, listener: Listener
) -> Generator[tuple[str, Row], None, None]:
    """Run `job`, again after a crash or hang until every work has a row, and yield the rows."""
    expected = job.expected(scale)
    seen: set[Key] = set()
    tail = _Tail(file)
    while len(seen) < len(expected):
        failure = "no result"
        log = file.with_suffix(".log")
        variables = {data.SNAPSHOT_VARIABLE: str(folder)}
        with running(_arguments(job, scale, file), log, **variables) as process:
            patience = time.monotonic() + scale.timeout
            while True:
                process.join(POLL)
                finished = process.exitcode is not None
                for line in tail.lines():
                    patience = time.monotonic() + scale.timeout
                    if "start" in line:
                        listener.measure(job, *line["start"])
                    else:
                        yield _take(line, job, seen, listener)
                if finished:
                    break
                if time.monotonic() > patience:
                    failure = f"no answer in {scale.timeout:g} s"
                    break
            if process.exitcode not in (None, *RETURNED):
                failure = _death(process.exitcode, log)
        at = tail.begun[-1] if tail.begun and tail.begun[-1] not in seen else None
        lost = [at] if at else [key for key in expected if key not in seen]
        for key in lost:
            line = dict(zip(KEY, key, strict=True), status="error", note=failure)
            yield _take(line, job, seen, listener)


def _take(line: dict[str, Any], job: Job, seen: set[Key], listener: Listener) -> tuple[str, Row]:
    work = line.pop("work")
    row = Row(**line)
    seen.add((row.library, work, row.point))
    listener.row(job, work, row)
    return work, row


class _Tail:
    """The new whole lines of a growing file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.begun: list[Key] = []

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what was written since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                self._offset += len(raw)
                line = json.loads(raw)
                if "start" in line:
                    self.begun.append(tuple(line["start"]))
                yield line


def _arguments(job: Job, scale: Scale, file: Path) -> list[str]:
    return [
        str(job.suite.path),
        *("-q", "-c", str(ROOT / "pytest.ini"), "--assert=plain"),
        *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
        *("-p", "pytest_benchmark.plugin", "--benchmark-disable-gc"),
        f"--benchmark-max-time={scale.max_time}",
        f"--benchmark-min-rounds={scale.min_rounds}",
        *(f"--library={library.name}" for library in job.libraries),
        f"--rows={file}",
        f"--scale={scale.name}",
        f"--round={job.round}",
        f"--budget={scale.budget}",
        *(f"--settled={work}" for work in job.settled),
    ]


def _death(code: int, log: Path) -> str:
    if code < 0:
        return f"crashed: {signal.Signals(-code).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"exit code {code}: {lines[-1][:120] if lines else 'no output'}"
