"""What the numbers say, good and bad, as sentences."""

from __future__ import annotations

from dataclasses import replace
from statistics import geometric_mean

from bench.results import Report, SuiteResult, WorkResult, ratio
from bench.tables import AXES, nanoseconds, percent, point_label, times

NOISE = 1.03  # ratios closer to 1 than this are ties on a shared machine


def summary(report: Report) -> list[tuple[str, str]]:
    """Return headline figures, each with what it is."""
    cards = []
    for suite in report.suites:
        compared = [work for work in suite.works if work.chart == "bars"]
        for name, other in (
            ("its pure-Python twin", suite.pure),
            ("the best peer", suite.best_peer),
        ):
            ratios = [ratio(other(work), suite.native(work)) for work in compared]
            known = [value for value in ratios if value]
            if known:
                middle = times(geometric_mean(known))
                text = f"the speed of {name}, geometric mean of {len(known)} works"
                cards.append((middle, f"{suite.title}: {text}"))
    return cards


def losses(report: Report) -> list[str]:
    """Return where a peer or a promise beats fastblocks, worst first within each kind."""
    slower: list[tuple[float, str]] = []
    other: list[str] = []
    for suite in report.suites:
        for work in suite.works:
            if work.chart == "bars":
                slower += _slower(suite, work)
            elif work.chart == "accuracy":
                other += _inaccurate(suite, work)
            elif work.chart == "cost":
                slower += _slower_at_points(suite, work)
            elif work.chart == "curve":
                other += _dominated(suite, work)
    failed = [
        f"{message} ({len(works)} measurements)"
        for message, works in report.native_failures().items()
    ]
    return failed + [text for _, text in sorted(slower, reverse=True)] + other


def floors(report: Report) -> list[str]:
    """Return how fastblocks stands to what Python itself costs."""
    lines = []
    for suite, work in report.bars():
        native = suite.native(work)
        for name in suite.names("floor"):
            floor = work.row(name)
            if native and floor and (value := ratio(native, floor)):
                lines.append(f"{_name(work)}: {times(value)} the time of {name}")
    return lines


def _slower(suite: SuiteResult, work: WorkResult) -> list[tuple[float, str]]:
    """Return one sentence with every peer that is faster, and the largest ratio."""
    native = suite.native(work)
    peers = [row for row in work.timed() if suite.role(row.library) == "peer"]
    faster = [(value, row) for row in peers if (value := ratio(native, row) or 0) > NOISE]
    if not faster or native is None:
        return []
    names = [
        f"{row.library} is {times(value)} faster ({nanoseconds(row.min_ns)})"
        for value, row in faster
    ]
    return [(faster[0][0], f"{_name(work)}, {nanoseconds(native.min_ns)}: {', '.join(names)}")]


def _slower_at_points(suite: SuiteResult, work: WorkResult) -> list[tuple[float, str]]:
    """Return `_slower` at the point of a sweep where the lead of a peer is largest."""
    points = sorted({row.point for row in work.rows if row.point is not None})
    found = []
    for point in points:
        part = replace(
            work,
            detail=f"at {point:,.0f} keys",
            rows=[row for row in work.rows if row.point == point],
        )
        found += _slower(suite, part)
    return [max(found)] if found else []


def _inaccurate(suite: SuiteResult, work: WorkResult) -> list[str]:
    """Compare measured rates with the target (three standard deviations) and memory with peers."""
    lines, memory = [], []
    for native in (row for row in work.rows if row.ok and suite.role(row.library) == "native"):
        target, values = native.point or 1.0, native.values
        allowed = target * values["probes"]
        if values["found"] > allowed + 3 * allowed**0.5:
            lines.append(
                f"False positives: {percent(values['rate'])} measured "
                f"for a target of {point_label(target)}"
            )
        peers = [
            row
            for row in work.rows
            if row.ok and row.point == native.point and suite.role(row.library) == "peer"
        ]
        best = min(peers, key=lambda row: row.values["bits"], default=native)
        if best.values["bits"] * NOISE < values["bits"]:
            memory.append(
                f"{values['bits']:.1f} at {point_label(target)} "
                f"({best.library} {best.values['bits']:.1f})"
            )
    if memory:
        lines.append(f"Memory, bits per key: {', '.join(memory)}")
    return lines


def _dominated(suite: SuiteResult, work: WorkResult) -> list[str]:
    """Name each peer that is better than every native row of at most its x, where most so."""
    x, y = work.axes
    less = AXES[y].log  # is better
    natives = [row for row in work.rows if row.ok and suite.role(row.library) == "native"]
    worst: dict[str, tuple[float, str]] = {}
    for row in work.rows:
        if not row.ok or suite.role(row.library) != "peer":
            continue
        near = [n.value(y) for n in natives if n.value(x) <= row.value(x) * NOISE]
        if not near or not row.value(y):
            continue
        best = min(near) if less else max(near)
        behind = best / row.value(y) if less else row.value(y) / max(best, 1e-9)
        text = (
            f"{_name(work)}: {row.library} has {AXES[y].text(row.value(y))} "
            f"at {AXES[x].text(row.value(x))} (fastblocks: {AXES[y].text(best)})"
        )
        if behind > 1.1:
            worst[row.library] = max(worst.get(row.library, (0.0, "")), (behind, text))
    return [text for _, text in worst.values()]


def _name(work: WorkResult) -> str:
    return f"{work.title}, {work.detail.split(';')[0]}" if work.detail else work.title
