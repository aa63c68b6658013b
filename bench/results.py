"""Results: rows merged over rounds, compared, and written to and read from JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

SCHEMA = 3
# What a library said in several rounds, worst first: one wrong answer outweighs two good times.
SEVERITY = ("wrong", "error", "missing", "unsupported", "ok")
MISSING = "not installed"
PASSABLE = ("unsupported", "ok")


@dataclass
class Row:
    """What one library did in one work (at one point of a sweep).

    `min_ns` and `median_ns` are per item, each the lowest of all rounds; None where nothing
    was timed. `seconds` is what it all took, with making the input and checking the answer.
    """

    library: str
    status: str
    point: float | None = None
    note: str = ""
    items: int = 0
    rounds: int = 0
    min_ns: float | None = None
    median_ns: float | None = None
    seconds: float = 0.0
    values: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the answers were right."""
        return self.status == "ok"

    def value(self, name: str) -> float:
        """Return a measured value; ``"ns"`` is the time per item."""
        return self.values[name] if name != "ns" else self.min_ns or 0.0


@dataclass
class WorkResult:
    """A work and its rows."""

    id: str
    title: str
    detail: str
    unit: str
    chart: str
    headline: bool
    rows: list[Row] = field(default_factory=list)
    axes: tuple[str, str] = ("", "")

    def timed(self) -> list[Row]:
        """Return the rows with a time, fastest first."""
        return sorted((row for row in self.rows if row.min_ns is not None), key=_min_ns)

    def row(self, library: str | None) -> Row | None:
        """Return the timed row of `library`."""
        return next((row for row in self.timed() if row.library == library), None)


@dataclass
class LibraryInfo:
    """A library that took part."""

    name: str
    role: str
    version: str


@dataclass
class SuiteResult:
    """A block: its libraries and works, and the seconds that all its processes took."""

    family: str
    block: str
    title: str
    libraries: list[LibraryInfo] = field(default_factory=list)
    works: list[WorkResult] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """``<family>/<block>``."""
        return f"{self.family}/{self.block}"

    @property
    def short(self) -> str:
        """The title up to its colon."""
        return self.title.split(":")[0]

    def names(self, role: str) -> list[str]:
        """Return the names of the libraries in `role`."""
        return [library.name for library in self.libraries if library.role == role]

    def role(self, library: str) -> str:
        """Return the role of `library`."""
        return next((info.role for info in self.libraries if info.name == library), "peer")

    def native(self, work: WorkResult) -> Row | None:
        """Return the timed row of fastblocks."""
        return self._fastest(work, "native")

    def pure(self, work: WorkResult) -> Row | None:
        """Return the timed row of the pure-Python twin."""
        return self._fastest(work, "pure")

    def best_peer(self, work: WorkResult) -> Row | None:
        """Return the row of the fastest peer."""
        return self._fastest(work, "peer")

    def _fastest(self, work: WorkResult, role: str) -> Row | None:
        return next((row for row in work.timed() if self.role(row.library) == role), None)


@dataclass
class Report:
    """One run: where, when, how, and what came out."""

    command: str
    started: str
    seconds: float
    scale: str
    rounds: int
    machine: dict[str, Any]
    versions: dict[str, str]
    suites: list[SuiteResult] = field(default_factory=list)

    def bars(self) -> Iterator[tuple[SuiteResult, WorkResult]]:
        """Yield the works that are plain comparisons, not sweeps."""
        for suite in self.suites:
            for work in suite.works:
                if work.chart == "bars":
                    yield suite, work

    def native_failures(self) -> dict[str, list[str]]:
        """Return what fastblocks itself got wrong, failed at, or lacks: works by message."""
        failures: dict[str, list[str]] = {}
        for suite in self.suites:
            for work in suite.works:
                for row in work.rows:
                    if suite.role(row.library) == "native" and row.status not in PASSABLE:
                        message = f"{suite.name}: {row.note}"
                        failures.setdefault(message, []).append(work.title)
        return failures

    def save(self, path: Path) -> None:
        """Write everything, with the ratios, as JSON."""
        data = {"schema": SCHEMA, **asdict(self)}
        for suite, suite_data in zip(self.suites, data["suites"], strict=True):
            for work, work_data in zip(suite.works, suite_data["works"], strict=True):
                native, pure = suite.native(work), suite.pure(work)
                for row, row_data in zip(work.rows, work_data["rows"], strict=True):
                    if work.chart == "bars":
                        row_data["times_native"] = ratio(row, native)
                        row_data["speedup_on_pure"] = ratio(pure, row)
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file has another schema.
        """
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema", None) != SCHEMA:
            raise ValueError(f"{path} is not of schema {SCHEMA}; run the benchmark again")
        data["suites"] = [_suite(suite) for suite in data["suites"]]
        return cls(**data)


def ratio(row: Row | None, other: Row | None) -> float | None:
    """Return how many times the time of `other` `row` takes, by their minima."""
    if row is None or other is None or row.min_ns is None or not other.min_ns:
        return None
    return row.min_ns / other.min_ns


def merge(rows: Iterable[Row]) -> list[Row]:
    """Merge the rows of several rounds into one per library and point."""
    merged: dict[tuple[str, float | None], Row] = {}
    for row in rows:
        key = (row.library, row.point)
        merged[key] = _merge_two(merged[key], row) if key in merged else row
    return list(merged.values())


def _merge_two(a: Row, b: Row) -> Row:
    seconds = round(a.seconds + b.seconds, 3)
    if a.status != b.status or not a.ok:
        worst = min(a, b, key=lambda row: SEVERITY.index(row.status))
        return replace(worst, seconds=seconds)
    return Row(
        library=a.library,
        status=a.status,
        point=a.point,
        items=a.items,
        rounds=a.rounds + b.rounds,
        min_ns=_lower(a.min_ns, b.min_ns),
        median_ns=_lower(a.median_ns, b.median_ns),
        seconds=seconds,
        values=a.values,
    )


def _lower(a: float | None, b: float | None) -> float | None:
    return min((x for x in (a, b) if x is not None), default=None)


def _min_ns(row: Row) -> float:
    return row.min_ns or 0.0


def _suite(data: dict[str, Any]) -> SuiteResult:
    libraries = [LibraryInfo(**library) for library in data["libraries"]]
    works = [
        WorkResult(
            **{**work, "rows": [_row(row) for row in work["rows"]], "axes": tuple(work["axes"])}
        )
        for work in data["works"]
    ]
    return SuiteResult(**{**data, "libraries": libraries, "works": works})


def _row(data: dict[str, Any]) -> Row:
    """Return a row without the ratios, which follow from the others."""
    return Row(**{item.name: data[item.name] for item in fields(Row)})
