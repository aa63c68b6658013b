"""Two reports side by side: where fastblocks has become slower, next to rows of the same run.

Machines and their moods differ, so times of two runs are not compared. The time of fastblocks is
divided by those of its twin and of the floors in its own run, and these ratios are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.results import Report, Row, SuiteResult, WorkResult
from bench.tables import code, nanoseconds, point_label, times

SLOWER = 1.25  # times; two runs of the same code differ by less, mostly
NEXT_TO = ("pure", "floor")
Key = tuple[str, str, str, "float | None"]


@dataclass(frozen=True)
class Change:
    """A measurement of fastblocks in two runs.

    `factor` is how many times slower it is, if all rows next to it say so: then the least of what
    they say. If all say that it is faster, it is below 1, and the largest. Otherwise it is 1.
    """

    name: str
    old_ns: float
    new_ns: float
    factor: float


def compare(old: Report, new: Report) -> tuple[list[Change], list[str]]:
    """Return what both runs have, slower first, and what only the old one has a time of."""
    before, after = _measurements(old), _measurements(new)
    changes = []
    for key in before.keys() & after.keys():
        (was, were), (now, are) = before[key], after[key]
        factors = [now / are[name] / (was / were[name]) for name in were.keys() & are.keys()]
        if factors:
            low, high = min(factors), max(factors)
            factor = low if low > 1 else min(high, 1.0)
            changes.append(Change(_name(key), was, now, factor))
    suites = {suite.name for suite in new.suites}
    lost = [_name(key) for key in before if key not in after and key[0] in suites]
    return sorted(changes, key=lambda change: (-change.factor, change.name)), lost


def print_comparison(console: Console, old: Report, new: Report) -> bool:
    """Print what has changed; return whether anything is slower or lost."""
    changes, lost = compare(old, new)
    slower = [change for change in changes if change.factor >= SLOWER]
    faster = [change for change in changes if change.factor <= 1 / SLOWER]
    for title, some in (("slower", slower), ("faster", faster[::-1])):
        if some:
            table = Table(title=f"{len(some)} {title}", title_justify="left")
            table.add_column("work")
            for heading in ("old", "new", "times slower, next to twin and floor"):
                table.add_column(heading, justify="right")
            for change in some:
                numbers = nanoseconds(change.old_ns), nanoseconds(change.new_ns)
                table.add_row(code(change.name), *numbers, times(change.factor))
            console.print(table)
    for name in lost:
        console.print(f"no time any more: {name}", style="bold red", markup=False)
    console.print(
        f"{len(changes)} measurements in both: {len(slower)} slower and {len(faster)} faster by "
        f"{SLOWER}{times(1.0)[-1]} or more, next to the twin and the floors of the same run"
    )
    return bool(slower or lost)


def _measurements(report: Report) -> dict[Key, tuple[float, dict[str, float]]]:
    """Return the times of fastblocks, each with those of twin and floors of the same work."""
    found = {}
    for suite in report.suites:
        for work in suite.works:
            for row in work.timed():
                if suite.role(row.library) == "native" and row.min_ns:
                    key = (suite.name, f"{work.title}, {work.detail}", row.library, row.point)
                    found[key] = row.min_ns, dict(_next_to(suite, work, row))
    return found


def _next_to(suite: SuiteResult, work: WorkResult, native: Row) -> Iterator[tuple[str, float]]:
    for row in work.timed():
        if suite.role(row.library) in NEXT_TO and row.point == native.point and row.min_ns:
            yield row.library, row.min_ns


def _name(key: Key) -> str:
    suite, work, library, point = key
    own = "" if library == "fastblocks" else f", {library}"
    return f"{suite}: {work}{own}" + ("" if point is None else f" at {point_label(point)}")
