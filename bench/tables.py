"""Tables for the terminal and for the README."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.results import Report, Row, SuiteResult, WorkResult, ratio

TIMES = "\N{MULTIPLICATION SIGN}"
MAX_COLUMNS = 11
LEGEND = (
    f"÷ native: the time divided by that of fastblocks, so 2.00{TIMES} means fastblocks is twice "
    "as fast. pure ÷: how many times faster than the pure-Python twin."
)


def nanoseconds(value: float | None) -> str:
    """Return a time per item with three significant digits, in the unit that suits it."""
    if value is None:
        return ""
    for unit, size in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if value < 999.5 * size:
            return f"{value / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{value / 1e9:.2f} s"


def times(value: float | None) -> str:
    """Return a ratio with two or three significant digits and the sign for times."""
    if value is None:
        return ""
    if value >= 99.5:
        return f"{value:,.0f}{TIMES}"
    return f"{value:.3g}{TIMES}" if value >= 9.995 or value < 0.1 else f"{value:.2f}{TIMES}"


def roughly(value: float | None) -> str:
    """Return a ratio with two significant digits."""
    if value is None:
        return ""
    return f"{value:,.0f}{TIMES}" if value >= 9.95 else f"{value:.2g}{TIMES}"


def size(value: float) -> str:
    """Return a number of bytes in the binary unit that suits it."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"


def code(title: str) -> str:
    """Return rich markup for a title with backquotes."""
    return re.sub(r"`([^`]*)`", r"[bold]\1[/bold]", escape(title))


def print_report(console: Console, report: Report) -> None:
    """Print one table per work, fastest first."""
    for suite in report.suites:
        console.rule(f"[bold]{escape(suite.title)}[/bold]  ({suite.name})")
        for work in suite.works:
            if work.rows:
                bars = work.chart == "bars"
                console.print(_bars(suite, work) if bars else _sweep(suite, work))
                console.print()
    console.print(LEGEND)


def print_seconds(console: Console, report: Report) -> None:
    """Print what each suite took, longest first."""
    suites = sorted(report.suites, key=lambda suite: -suite.seconds)
    texts = [f"{suite.name} {suite.seconds:.0f} s" for suite in suites]
    console.print(", ".join(texts), style="dim", highlight=False)


def _bars(suite: SuiteResult, work: WorkResult) -> Table:
    table = Table(title=_title(work), title_justify="left", title_style="")
    table.add_column("library")
    for heading in (f"min / {work.unit}", "median", "÷ native", "pure ÷"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in in_order(suite, work):
        role = suite.role(row.library)
        extra = aside(row)
        table.add_row(
            row.library,
            nanoseconds(row.min_ns),
            nanoseconds(row.median_ns),
            times(ratio(row, suite.native(work))),
            roughly(ratio(suite.pure(work), row)),
            escape(row.note) or extra or ("floor" if role == "floor" else ""),
            style="bold green" if role == "native" else "" if row.ok else "dim",
        )
    return table


def aside(row: Row) -> str:
    """Return what else was measured: a size, a share of hits or of wrong answers, or nothing."""
    if "bytes" in row.values:
        return size(row.values["bytes"])
    if "wrong" in row.values:
        return f"{short_percent(row.values['wrong'])} wrong"
    return f"{AXES['ratio'].text(row.values['ratio'])} hits" if "ratio" in row.values else ""


def _sweep(suite: SuiteResult, work: WorkResult) -> Table:
    """Return a table with one line per library and one column per point."""
    points = points_of(work)
    table = Table(title=_title(work), title_justify="left", title_style="")
    table.add_column("library")
    for point in points:
        table.add_column(point_label(point), justify="right")
    for name in dict.fromkeys(row.library for row in work.rows):
        cells = {row.point: row for row in work.rows if row.library == name}
        native = suite.role(name) == "native"
        line = [point_text(work, cells.get(point)) for point in points]
        table.add_row(name, *line, style="bold green" if native else "")
    return table


def points_of(work: WorkResult) -> list[float]:
    """Return the points of a sweep's table, in order: of many, a few that are evenly spread."""
    points = sorted({row.point for row in work.rows if row.point is not None})
    if work.chart == "accuracy":
        points.reverse()
    step = -(-len(points) // MAX_COLUMNS)
    return points[step - 1 :: step] if step else points


def point_text(work: WorkResult, row: Row | None) -> str:
    """Return what a row of a sweep says, in one line or two."""
    if row is None:
        return ""
    if not row.ok:
        return escape(row.note)
    if row.min_ns is not None and work.axes[0] != "ns":
        return nanoseconds(row.min_ns)
    x, y = work.axes if work.chart == "curve" else ("bits", "rate")
    unit = " bits" if x == "bits" else ""
    return f"{AXES[y].text(row.value(y))}\n{AXES[x].text(row.value(x))}{unit}"


@dataclass(frozen=True)
class Axis:
    """A value that curves are drawn of.

    Attributes
    ----------
    label : str
        What it is.
    log : bool
        Whether it is drawn on a log scale; of values so drawn on y, less is better.
    text : function
        How a value is written.
    ticks : tuple of float
        On a log scale, which multiples of powers of the base have a tick.
    """

    label: str
    log: bool
    text: Callable[[float], str]
    ticks: tuple[float, ...] = (1,)


def point_label(point: float) -> str:
    """Return the heading of a sweep's column: a share in percent, or a count."""
    if point >= 1:
        return f"{point:,.0f}"
    return f"{point * 100:.6f}".rstrip("0").rstrip(".") + " %"


def percent(value: float) -> str:
    """Return a share in percent with three significant digits and no exponent."""
    if value == 0:
        return "0 %"
    digits = 2
    while value * 100 < 10 ** (2 - digits) and digits < 8:
        digits += 1
    return f"{value * 100:.{digits}f} %"


def short_percent(value: float) -> str:
    """Return a share in percent with at most three significant digits."""
    return f"{value * 100:.3g} %"


AXES = {
    "above": Axis("largest load ÷ mean, less 1", True, short_percent, (1, 2, 5)),
    "admitted": Axis("calls admitted so far", False, lambda value: f"{value:,.0f}"),
    "bits": Axis("bits per key", False, lambda value: f"{value:.3g}"),
    "boxes": Axis("boxes", True, lambda value: f"{value:,.0f}"),
    "bytes": Axis("memory", True, size),
    "each": Axis(
        "bytes per key",
        True,
        lambda value: f"{value:,.3g}" if value < 100 else f"{value:,.0f}",
        (1, 2, 5),
    ),
    "entries": Axis("entries", True, lambda value: f"{value:,.0f}"),
    "error": Axis("relative error", True, percent),
    "excess": Axis("mean overestimate", True, lambda value: f"{value:.3g}"),
    "hits": Axis("hits of a query", True, lambda value: f"{value:,.0f}"),
    "keys": Axis("keys", True, lambda value: f"{value:,.0f}"),
    "moved": Axis("keys that move", True, short_percent),
    "nodes": Axis("nodes", True, lambda value: f"{value:,.0f}"),
    "ns": Axis("time per key", True, nanoseconds),
    "points": Axis("points", True, lambda value: f"{value:,.0f}"),
    "rate": Axis("false-positive rate", True, percent),
    "ratio": Axis("hit ratio", False, lambda value: f"{value * 100:.1f} %"),
    "recall": Axis("share of the true top that is found", False, percent),
    "recent": Axis("calls admitted in the last second", False, lambda value: f"{value:,.0f}"),
    "seconds": Axis("seconds", False, lambda value: f"{value:g}"),
    "vnodes": Axis("vnodes per node", True, lambda value: f"{value:,.0f}", (1, 2, 5)),
}


def _title(work: WorkResult) -> str:
    return code(work.title) + (f"  [dim]{escape(work.detail)}[/dim]" if work.detail else "")


def in_order(suite: SuiteResult, work: WorkResult) -> Iterator[Row]:
    """Yield timed rows by speed, then those that have no time but a reason."""
    yield from work.timed()
    for row in work.rows:
        if row.min_ns is None and suite.role(row.library) != "floor":
            yield row
