"""What the numbers say, good and bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean

from bench.results import MISSING, Report, SuiteResult, WorkResult, ratio
from bench.tables import AXES, aside, nanoseconds, percent, point_label, times

COUNTED = ("bits", "boxes", "entries", "keys", "nodes", "points")  # axes whose label is a unit
NOISE = 1.03  # ratios closer to 1 than this are ties on a shared machine


@dataclass(frozen=True)
class Speedup:
    """How many times faster a block is: by work than its twin, by work than the fastest peer."""

    family: str
    title: str
    pure: tuple[float, ...]
    peer: tuple[float, ...]


@dataclass(frozen=True)
class Loss:
    """Something in which a peer is better, or a promise that is not kept.

    `behind` is how many times the peer is better, 0 where that is no ratio.
    """

    block: str
    work: str
    mine: str = ""
    peer: str = ""
    theirs: str = ""
    behind: float = 0.0


NONE = Loss("", "")


def speedups(report: Report) -> list[Speedup]:
    """Return the blocks that were compared with anything, with all ratios that are known."""
    found = []
    for suite in report.suites:
        works = [work for work in suite.works if work.chart == "bars"]
        pure, peer = (
            tuple(filter(None, (ratio(other(work), suite.native(work)) for work in works)))
            for other in (suite.pure, suite.best_peer)
        )
        if pure or peer:
            found.append(Speedup(suite.family, suite.short, pure, peer))
    return found


def mean(ratios: Sequence[float]) -> float | None:
    """Return the geometric mean, or None of nothing."""
    return geometric_mean(ratios) if ratios else None


def losses(report: Report) -> list[Loss]:
    """Return where a peer or a promise beats fastblocks, worst first within each kind."""
    slower: list[Loss] = []
    other: list[Loss] = []
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
        Loss(message, f"{len(works)} measurements")
        for message, works in report.native_failures().items()
    ]
    return failed + sorted(slower, key=lambda loss: -loss.behind) + other


@dataclass(frozen=True)
class Peer:
    """Another library in the benchmark of a family: what it lacks or gets wrong, by block."""

    name: str
    version: str
    blocks: tuple[str, ...]
    notes: tuple[str, ...]


def peers(suites: Sequence[SuiteResult]) -> list[Peer]:
    """Return the peers of some blocks."""
    found: dict[str, Peer] = {}
    for suite in suites:
        for info in suite.libraries:
            if info.role == "peer":
                old = found.get(info.name, Peer(info.name, info.version, (), ()))
                notes = dict.fromkeys([*old.notes, *_notes(suite, info.name)])
                found[info.name] = replace(
                    old, blocks=(*old.blocks, suite.short), notes=tuple(notes)
                )
    return list(found.values())


def _notes(suite: SuiteResult, library: str) -> list[str]:
    """Return why the library has no number, or a doubtful one, with the works concerned."""
    works: dict[str, list[str]] = {}
    for work in suite.works:
        for row in work.rows:
            if row.library != library:
                continue
            if row.values.get("wrong"):
                works.setdefault(f"{percent(row.values['wrong'])} of answers wrong", []).append(
                    work.title
                )
            elif not row.ok:
                works.setdefault(row.note, []).append(work.title)
    return [
        note if note == MISSING else f"{note}: {'; '.join(dict.fromkeys(titles))}"
        for note, titles in works.items()
    ]


def tally(report: Report) -> tuple[int, int]:
    """Return how many works peers do too, and in how many of them none is faster."""
    works = [(suite, work) for suite, work in report.bars() if suite.best_peer(work)]
    return len(works), sum(not _slower(suite, work) for suite, work in works)


def floors(report: Report) -> list[str]:
    """Return how fastblocks stands to what Python itself costs."""
    lines = []
    for suite, work in report.bars():
        native = suite.native(work)
        for name in suite.names("floor"):
            floor = work.row(name)
            if native and floor and (value := ratio(native, floor)):
                lines.append(f"{named(work)}: {times(value)} the time of {name}")
    return lines


def _slower(suite: SuiteResult, work: WorkResult) -> list[Loss]:
    """Return the fastest peer, if it is faster."""
    native, peer = suite.native(work), suite.best_peer(work)
    behind = ratio(native, peer) or 0.0
    if native is None or peer is None or behind <= NOISE:
        return []
    mine, theirs = nanoseconds(native.min_ns), nanoseconds(peer.min_ns)
    name = f"{peer.library} ({aside(peer)})" if "wrong" in peer.values else peer.library
    return [Loss(suite.short, named(work), mine, name, theirs, behind)]


def _slower_at_points(suite: SuiteResult, work: WorkResult) -> list[Loss]:
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
    return [max(found, key=lambda loss: loss.behind)] if found else []


def _inaccurate(suite: SuiteResult, work: WorkResult) -> list[Loss]:
    """Compare measured rates with the target (three standard deviations) and memory with peers."""
    lines, memory = [], []
    for native in (row for row in work.rows if row.ok and suite.role(row.library) == "native"):
        target, values = native.point or 1.0, native.values
        allowed = target * values["probes"]
        at = point_label(target)
        if values["found"] > allowed + 3 * allowed**0.5:
            lines.append(
                Loss(suite.short, f"False positives, target {at}", percent(values["rate"]))
            )
        peers = [
            row
            for row in work.rows
            if row.ok and row.point == native.point and suite.role(row.library) == "peer"
        ]
        best = min(peers, key=lambda row: row.values["bits"], default=native)
        behind = values["bits"] / best.values["bits"]
        if behind > NOISE:
            mine, theirs = (f"{row.values['bits']:.1f}" for row in (native, best))
            what = f"Bits per key at {at}"
            memory.append(Loss(suite.short, what, mine, best.library, theirs, behind))
    return lines + memory


def _dominated(suite: SuiteResult, work: WorkResult) -> list[Loss]:
    """Name each peer that is better than every native row of at most its x, where most so."""
    x, y = work.axes
    less = AXES[y].log  # is better
    natives = [row for row in work.rows if row.ok and suite.role(row.library) == "native"]
    worst: dict[str, Loss] = {}
    for row in work.rows:
        if not row.ok or suite.role(row.library) != "peer":
            continue
        near = [n.value(y) for n in natives if n.value(x) <= row.value(x) * NOISE]
        if not near or not row.value(y):
            continue
        best = min(near) if less else max(near)
        behind = best / row.value(y) if less else row.value(y) / max(best, 1e-9)
        at = f"{named(work)}, at {AXES[x].text(row.value(x))}"
        at += f" {AXES[x].label}" if x in COUNTED else ""
        mine, theirs = AXES[y].text(best), AXES[y].text(row.value(y))
        loss = Loss(suite.short, at, mine, row.library, theirs, behind)
        if behind > max(1.1, worst.get(row.library, NONE).behind):
            worst[row.library] = loss
    return list(worst.values())


def named(work: WorkResult) -> str:
    """Return the title and what it was done with."""
    return f"{work.title}, {work.detail.split(';')[0]}" if work.detail else work.title
