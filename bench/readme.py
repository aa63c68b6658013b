"""The README's tables, made from a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.findings import mean, speedups
from bench.results import Report, ratio
from bench.tables import aside, nanoseconds, roughly, times

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def put(text: str, made: str) -> str:
    """Return `text` with `made` between the marks.

    Raises
    ------
    ValueError
        If the marks are not there, once each and in this order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in tail:
        raise ValueError(f"the file needs one {BEGIN} and one {END} after it")
    return f"{head}{BEGIN}\n{made}\n{END}{tail}"


def markdown(report: Report) -> str:
    """Return a table of the blocks, and folded in one of their headline works."""
    machine = report.machine
    lines = [
        *_blocks(report),
        "",
        "<details><summary>Times of some works</summary>",
        "",
        *_works(report),
        "",
        "</details>",
        "",
        f"Best of up to {report.rounds} processes; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['python']}, {report.started[:10]}.",
    ]
    return "\n".join(lines)


def _blocks(report: Report) -> Iterator[str]:
    yield "| times faster than | pure Python | the fastest peer | from … to |"
    yield "|---|--:|--:|--:|"
    family = ""
    for block in speedups(report):
        if block.family != family:
            family = block.family
            yield f"| **{family}** | | | |"
        cells = [block.title, roughly(mean(block.pure)), _bold(mean(block.peer)), _span(block.peer)]
        yield f"| {' | '.join(cells)} |"


def _bold(value: float | None) -> str:
    return f"**{times(value)}**" if value else "no peer"


def _span(ratios: Sequence[float]) -> str:
    return f"{times(min(ratios))} … {times(max(ratios))}" if ratios else ""


def _works(report: Report) -> Iterator[str]:
    yield "| per key, or as told | fastblocks | fastest peer | | pure twin | |"
    yield "|---|--:|--:|--:|--:|--:|"
    title = ""
    for suite, work in report.bars():
        native, peer, pure = suite.native(work), suite.best_peer(work), suite.pure(work)
        if native is None or not work.headline:
            continue
        if suite.short != title:
            title = suite.short
            yield f"| **{title}** | | | | | |"
        heading = ", ".join(filter(None, (work.title, work.detail)))
        if work.unit != "key":
            heading += f"; per {work.unit}"
        rival = "none does this"
        if peer:
            doubt = f" ({aside(peer)})" if "wrong" in peer.values else ""
            rival = f"{nanoseconds(peer.min_ns)} {peer.library}{doubt}"
        cells = [
            heading,
            f"**{nanoseconds(native.min_ns)}**",
            rival,
            times(ratio(peer, native)),
            nanoseconds(pure.min_ns) if pure else "",
            roughly(ratio(pure, native)),
        ]
        yield f"| {' | '.join(cells)} |"
