"""Plots as inline SVG that follows the page's colours, light or dark.

matplotlib draws with placeholder colours; in the SVG text each becomes a CSS variable, so one
picture serves both modes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from statistics import geometric_mean
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from bench.findings import Speedup, named
from bench.results import Row, SuiteResult, WorkResult, ratio
from bench.tables import AXES, TIMES, Axis, point_label, roughly, size, times

INK, SOFT, FAINT, PAPER = "#fb0000", "#fb0001", "#fb0002", "#fb0003"
NATIVE, PURE = "#fb0004", "#fb0005"
PEERS = ("#fb0010", "#fb0011", "#fb0012", "#fb0013", "#fb0014", "#fb0015")
VARIABLES = {
    INK: "ink",
    SOFT: "soft",
    FAINT: "faint",
    PAPER: "paper",
    NATIVE: "native",
    PURE: "pure",
    **{color: f"peer{i}" for i, color in enumerate(PEERS)},
}
MARKERS = "osD^vP"
FLOORS = "|_x"
MARKS = 16  # on a line, about
SEEN = 5  # a rate measured from fewer false positives says nothing
LINE = 0.27  # inches for a block in the overview
LETTERS = 84  # of a legend in one line, about; the sign before a name is as wide as six
WIDTH = 5.4  # inches: 390 points, what a phone shows without scaling
_salt = count()


def color_of(suite: SuiteResult, library: str) -> str:
    """Return the placeholder colour of a library, the same in every plot of the suite."""
    role = suite.role(library)
    if role in ("native", "pure"):
        natives = suite.names("native")
        if library in natives[1:]:  # a suite that compares our own blocks with each other
            return PEERS[-natives.index(library) % len(PEERS)]
        return NATIVE if role == "native" else PURE
    if role == "floor":
        return SOFT
    return PEERS[suite.names("peer").index(library) % len(PEERS)]


def marker_of(suite: SuiteResult, library: str) -> str:
    """Return the marker of a library, so that colour is not the only difference."""
    role = suite.role(library)
    if role == "peer":
        return MARKERS[suite.names("peer").index(library) % len(MARKERS)]
    if role == "floor":
        return FLOORS[suite.names("floor").index(library) % len(FLOORS)]
    natives = suite.names("native")
    if library in natives[1:]:
        return MARKERS[-natives.index(library) % len(MARKERS)]
    return {"native": "*", "pure": "X"}[role]


def _compared(suite: SuiteResult) -> list[WorkResult]:
    """Return the plain comparisons that fastblocks took part in."""
    return [work for work in suite.works if work.chart == "bars" and suite.native(work)]


def overview(blocks: Sequence[Speedup]) -> str:
    """Draw how many times faster each block is than its twin and than the fastest peer."""
    if not blocks:
        return ""
    families = list(dict.fromkeys(block.family for block in blocks))
    height = 1.0 + LINE * (len(blocks) + len(families))
    with _figure(height) as (figure, axes):
        axes.set_xscale("log")
        seen = [value for block in blocks for value in (*block.pure, *block.peer)]
        low, high = min(0.8, *seen) * 0.8, max(seen) * 1.2
        y, before = -1, ""
        for block in blocks:
            y += 1
            if block.family != before:
                before = block.family
                _name(axes, y, before, weight="bold")
                axes.axhline(y, color=FAINT, linewidth=0.4, zorder=0)
                y += 1
            _name(axes, y, block.title)
            _ratios(axes, y + 0.14, block.pure, PURE, "X", 1.0)
            _ratios(axes, y - 0.14, block.peer, NATIVE, "o", 0.85)
        axes.set_xlim(low, low * (high / low) ** (1 / 0.73))  # the rest is for numbers
        axes.set_ylim(y + 0.7, -0.6)
        axes.yaxis.set_visible(False)
        axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
        axes.spines.bottom.set_bounds(low, high)
        ticks = [tick for tick in (1.0, 1e2, 1e4, 1e6) if tick <= high]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}{TIMES}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("times faster (log scale)")
        for color, marker, text in (
            (NATIVE, "o", "than the fastest peer"),
            (PURE, "X", "than its pure-Python twin"),
        ):
            axes.plot([], [], color=color, marker=marker, linewidth=1, markersize=5, label=text)
        _legend(figure, axes, 2)
        return _svg(figure, "Times faster than the twin and than the fastest peer, by block")


def _name(axes: Any, y: float, text: str, **style: Any) -> None:
    place = {"transform": _row(axes), "ha": "right", "va": "center"}
    axes.text(-0.01, y, text, size=9, **place, **style)


def _ratios(
    axes: Any, y: float, values: Sequence[float], color: str, marker: str, column: float
) -> None:
    """Mark the geometric mean, with a line from the least to the largest, and write it."""
    if values:
        middle = geometric_mean(values)
        axes.plot([min(values), max(values)], [y, y], color=color, linewidth=1, alpha=0.6)
        axes.plot([middle], [y], color=color, marker=marker, markersize=5, zorder=3)
    write = roughly if color == PURE else times
    text = write(middle) if values else "\N{EN DASH}"
    color = SOFT if color == PURE else color
    place = {"transform": _row(axes), "ha": "right", "va": "center"}
    axes.text(column, round(y), text, size=9, color=color, **place)


def headline(suite: SuiteResult) -> str:
    """Draw how many times faster fastblocks is than its twin and than the fastest peer."""
    works = _compared(suite)
    if not works:
        return ""
    with _figure(1.0 + 0.66 * len(works)) as (figure, axes):
        axes.set_xscale("log")
        seen = [1.0, 2.0]
        for y, work in enumerate(works):
            native, pure, peer = suite.native(work), suite.pure(work), suite.best_peer(work)
            by_pure, by_peer = ratio(pure, native), ratio(peer, native)
            seen += [value for value in (by_pure, by_peer) if value]
            _heading(axes, y - 0.3, work)
            _bar(axes, y - 0.06, by_pure, PURE, times(by_pure))
            name = f"{times(by_peer)} {peer.library}" if peer else "no peer does this"
            _bar(axes, y + 0.16, by_peer, NATIVE, name)
        axes.set_xlim(min(seen) * 0.8, max(seen) ** 1.25 * 2)
        axes.set_ylim(len(works) - 0.6, -0.55)
        axes.yaxis.set_visible(False)
        axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
        near = max(seen) / min(seen) < 50
        _log_axis(axes.xaxis, lambda value: f"{value:,g}{TIMES}", (1, 2, 5) if near else (1,))
        axes.set_xlabel("times faster (log scale)")
        for color, text in ((PURE, "than its pure-Python twin"), (NATIVE, "than the fastest peer")):
            axes.barh([0], [0], left=1, color=color, label=text)
        _legend(figure, axes, 2)
        return _svg(figure, f"{suite.title}: times faster than the twin and the fastest peer")


def speeds(suite: SuiteResult) -> str:
    """Draw every library's time next to that of fastblocks, one line per work."""
    works = _compared(suite)
    if not works:
        return ""
    with _figure(1.0 + 0.46 * len(works)) as (figure, axes):
        axes.set_xscale("log")
        seen: set[str] = set()
        for y, work in enumerate(works):
            _heading(axes, y - 0.38, work)
            axes.axhline(y, color=FAINT, linewidth=0.4, zorder=0)
            for row in work.timed():
                axes.plot(
                    [ratio(row, suite.native(work))],
                    [y],
                    **_style(suite, row.library),
                    linestyle="none",
                    label=None if row.library in seen else row.library,
                )
                seen.add(row.library)
        axes.set_ylim(len(works) - 0.5, -0.7)
        axes.yaxis.set_visible(False)
        axes.axvline(1, color=NATIVE, linewidth=0.8, zorder=0)
        _log_axis(axes.xaxis, lambda value: f"{value:g}{TIMES}")
        axes.set_xlabel(f"time ÷ fastblocks (log scale; left of 1{TIMES} is faster)")
        _legend(figure, axes, 3)
        return _svg(figure, f"{suite.title}: time of every library next to fastblocks")


def accuracy(suite: SuiteResult) -> list[str]:
    """Draw measured false-positive rates and memory against the target rate."""
    rows = [row for row in _rows(suite, "accuracy") if suite.role(row.library) != "floor"]
    return [_rates(suite, rows), _memory(suite, rows)] if rows else []


def _rates(suite: SuiteResult, rows: Sequence[Row]) -> str:
    with _figure(3.6) as (figure, axes):
        _target_axis(axes, rows)
        names = list(dict.fromkeys(row.library for row in rows))
        for i, name in enumerate(names):
            shift = 10 ** ((i - len(names) / 2) * 0.06)
            points = [row for row in rows if row.library == name and row.values["found"] >= SEEN]
            targets = [row.point or 1.0 for row in points]
            measured = [row.values["rate"] / (row.point or 1.0) for row in points]
            spread = [
                1.96 * value / math.sqrt(row.values["found"])
                for value, row in zip(measured, points, strict=True)
            ]
            axes.errorbar(
                [target * shift for target in targets],
                measured,
                yerr=[[min(s, m) for s, m in zip(spread, measured, strict=True)], spread],
                **_style(suite, name),
                linestyle="none",
                elinewidth=0.8,
                label=name,
            )
        axes.set_ylim(0, min(2.5, max(2, axes.get_ylim()[1])))
        axes.axhline(1, color=INK, linewidth=0.8, zorder=0)
        axes.text(0.01, 0.97, "above 1: more than promised", transform=axes.transAxes, va="top")
        axes.set_ylabel("measured ÷ target")
        _legend(figure, axes, 3)
        return _svg(figure, "Measured false-positive rate against target, with 95 % intervals")


def _memory(suite: SuiteResult, rows: Sequence[Row]) -> str:
    with _figure(3.6) as (figure, axes):
        _target_axis(axes, rows)
        targets = sorted({row.point for row in rows if row.point})
        bound = [math.log2(1 / target) / math.log(2) for target in targets]
        axes.plot(targets, bound, color=INK, linewidth=0.8, linestyle=":", label="classic optimum")
        for name in dict.fromkeys(row.library for row in rows):
            points = sorted((row.point or 1.0, row.values["bits"]) for row in rows_of(rows, name))
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, **_style(suite, name), linewidth=1, label=name)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("bits per key")
        _legend(figure, axes, 3)
        return _svg(figure, "Bits per key against target false-positive rate")


def _target_axis(axes: Any, rows: Sequence[Row]) -> None:
    """Make x the target rate, from large to small."""
    targets = [row.point for row in rows if row.point]
    axes.set_xscale("log")
    axes.set_xlim(max(targets) * 2.5, min(targets) / 2.5)
    _log_axis(axes.xaxis, _percent_tick)
    axes.set_xlabel("target false-positive rate")


def cost(suite: SuiteResult, caches: dict[str, int]) -> str:
    """Draw the cost per key against the size of the structure, with the caches marked."""
    works = [work for work in suite.works if work.chart == "cost" and work.timed()]
    if not works:
        return ""
    with _figure(3.9) as (figure, axes):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        for number, work in enumerate(works):
            for name in dict.fromkeys(row.library for row in work.rows):
                timed = [row for row in rows_of(work.rows, name) if row.min_ns is not None]
                points = sorted((row.values["bytes"], row.min_ns or 0.0) for row in timed)
                if points:
                    xs, ys = zip(*points, strict=True)
                    axes.plot(
                        xs,
                        ys,
                        **_style(suite, name),
                        linewidth=1,
                        linestyle="-" if number == 0 else "--",
                        label=f"{name}, {work.title.split(' against')[0].replace('`', '')}",
                    )
        low, high = axes.get_xlim()
        for name, end in caches.items():
            if low < end < 4 * high:
                axes.axvline(end, color=FAINT, linewidth=0.8, zorder=0)
                axes.text(end, 0.98, f"{name} ", transform=_column(axes), ha="right", va="top")
        axes.xaxis.set_major_locator(LogLocator(base=2, subs=[1], numticks=7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size(value)))
        axes.xaxis.set_minor_locator(NullLocator())
        _log_axis(axes.yaxis, lambda value: f"{value:g}", subs=(1, 2, 5))
        axes.set_xlabel("size of the filter")
        axes.set_ylabel("ns per key")
        _legend(figure, axes, 2)
        return _svg(figure, "Cost per key against the size of the filter")


def curves(suite: SuiteResult) -> list[tuple[str, str]]:
    """Draw each work that is a curve; return pictures with their captions."""
    works = [work for work in suite.works if work.chart == "curve" and any(r.ok for r in work.rows)]
    captions = [f"{work.title}: {work.detail}.".replace("`", "") for work in works]
    return [(_curve(suite, work), text) for work, text in zip(works, captions, strict=True)]


def _curve(suite: SuiteResult, work: WorkResult) -> str:
    x, y = work.axes
    lines: list[Any] = []
    with _figure(3.9) as (figure, axes):
        for name in dict.fromkeys(row.library for row in work.rows):
            rows = rows_of(work.rows, name)
            points = sorted((row.value(x), row.value(y)) for row in rows)
            points = [point for point in points if point[1] > 0 or not AXES[y].log]
            if points:
                xs, ys = zip(*points, strict=True)
                every = max(len(xs) // MARKS, 1)
                style = {**_style(suite, name), "markevery": (len(lines) % every, every)}
                lines += axes.plot(xs, ys, **style, linewidth=1, label=name)
        if work.axes == ("bits", "rate"):
            low = axes.get_ylim()[0]
            _bounds(axes)
            axes.set_ylim(max(low, 1e-6), 1)
        _scale(axes.set_xscale, axes.xaxis, AXES[x], base=2 if x == "bytes" else 10)
        _scale(axes.set_yscale, axes.yaxis, AXES[y])
        axes.set_xlabel(AXES[x].label)
        label = f"time per {work.unit}" if y == "ns" else AXES[y].label
        axes.set_ylabel(label)
        _legend(figure, axes, 3)
        title = work.title.replace("`", "")
        return _svg(figure, f"{title}: {label} against {AXES[x].label}")


def _bounds(axes: Any) -> None:
    """What a classic Bloom filter needs for a rate, and what any filter needs."""
    high = axes.get_xlim()[1]
    rates = [10 ** (-i / 4) for i in range(1, 40)]
    for factor, style, text in ((1 / math.log(2), ":", "classic optimum"), (1, "-", "lower bound")):
        line = [(factor * math.log2(1 / rate), rate) for rate in rates]
        xs, ys = zip(*[point for point in line if point[0] <= high], strict=True)
        axes.plot(xs, ys, color=INK, linewidth=0.8, linestyle=style, label=text)
    axes.set_xlim(0, high)


def _scale(set_scale: Any, axis: Any, kind: Axis, base: int = 10) -> None:
    if kind.log:
        set_scale("log", base=base)
        axis.set_major_locator(LogLocator(base=base, subs=kind.ticks, numticks=7))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: kind.text(value)))


def rows_of(rows: Sequence[Row], library: str) -> list[Row]:
    """Return the good rows of one library."""
    return [row for row in rows if row.library == library and row.ok]


def label(work: WorkResult) -> str:
    """Return title and input of a work in one short line."""
    text = named(work).replace("`", "")
    return text if len(text) <= 60 else text[:59] + "…"


def _rows(suite: SuiteResult, chart: str) -> list[Row]:
    return [row for work in suite.works if work.chart == chart for row in work.rows if row.ok]


def _style(suite: SuiteResult, library: str) -> dict[str, Any]:
    native, marker = suite.role(library) == "native", marker_of(suite, library)
    return {
        "color": color_of(suite, library),
        "marker": marker,
        "markersize": 9 if marker == "*" or marker in FLOORS else 4.5,
        "zorder": 4 if native else 3,
    }


def _heading(axes: Any, y: float, work: WorkResult) -> None:
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}
    axes.text(0.008, y, label(work), transform=_row(axes), va="center", size=9, bbox=box, zorder=2)


def _bar(axes: Any, y: float, value: float | None, color: str, text: str) -> None:
    if value is not None:
        axes.barh([y], [value - 1], left=1, height=0.2, color=color)
    axes.text(max(value or 1, 1) * 1.06, y, text, va="center")


def _percent_tick(value: float) -> str:
    return point_label(value) if value < 1 else "100 %"


def _log_axis(axis: Any, text: Any, subs: Sequence[float] = (1,)) -> None:
    axis.set_major_locator(LogLocator(subs=list(subs)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())


def _row(axes: Any) -> Any:
    return axes.get_yaxis_transform()


def _column(axes: Any) -> Any:
    return axes.get_xaxis_transform()


def _legend(figure: Any, axes: Any, columns: int) -> None:
    """Put the legend on top, in as many columns as the names leave room for."""
    handles, names = axes.get_legend_handles_labels()
    columns = min(columns, max(1, LETTERS // (max(map(len, names)) + 6)))
    figure.legend(handles, names, loc="outside upper left", ncols=columns)


@contextmanager
def _figure(height: float) -> Iterator[tuple[Any, Any]]:
    style: dict[Any, Any] = {
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "font.size": 9.5,
        "legend.fontsize": 8.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "legend.handletextpad": 0.4,
        "legend.columnspacing": 1.2,
        "svg.fonttype": "none",
        "svg.hashsalt": f"fastblocks-{next(_salt)}",
    }
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(WIDTH, height), layout="constrained")
        try:
            yield figure, axes
        finally:
            pyplot.close(figure)


def _svg(figure: Any, title: str) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for color, name in VARIABLES.items():
        svg = svg.replace(color, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
