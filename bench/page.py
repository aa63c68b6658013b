"""The report as one page that needs nothing but itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from bench import findings, plots, runner
from bench.results import Report, Row, SuiteResult, WorkResult, ratio
from bench.tables import (
    LEGEND,
    TIMES,
    aside,
    in_order,
    nanoseconds,
    point_label,
    point_text,
    points_of,
    roughly,
    size,
    times,
)

STYLE = Path(__file__).with_name("page.css")


def write(report: Report, path: Path) -> None:
    """Write the page of `report` to `path`."""
    families = {suite.family: [] for suite in report.suites}  # type: dict[str, list[SuiteResult]]
    for suite in report.suites:
        families[suite.family].append(suite)
    parts = [*_head(report, list(families)), *_overview(report), *_losses(report)]
    for family, suites in families.items():
        parts.append(f'<h2 id="{escape(family)}">{escape(_heading(family))}</h2>')
        parts += _peers(suites)
        for suite in suites:
            parts += _suite(suite, report)
    parts += _reproducing(report)
    path.write_text("\n".join(parts) + "\n</main>\n</body>\n</html>\n", encoding="utf-8")


def _head(report: Report, families: list[str]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<link rel="icon" href="data:,">'
    yield "<title>fastblocks benchmark</title>"
    yield f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<main>"
    yield "<h1>fastblocks benchmark</h1>"
    machine = report.machine
    yield (
        f'<p class="soft">{escape(machine["cpu"])}, {machine["cores"]} cores · '
        f"{escape(machine['python'])} · {report.started[:10]} · {report.scale} run of "
        f"{report.seconds:.0f} s</p>"
    )
    if report.scale == "quick":
        yield "<p><b>A quick run, on tiny inputs: its times say nothing.</b></p>"
    links = [("losses", "Where we lose"), *((family, _heading(family)) for family in families)]
    links.append(("reproducing", "Reproducing"))
    anchors = [f'<a href="#{anchor}">{escape(text)}</a>' for anchor, text in links]
    yield f"<nav>{' '.join(anchors)}</nav>"


def _overview(report: Report) -> Iterator[str]:
    blocks = findings.speedups(report)
    shared, ahead = findings.tally(report)
    yield '<figure class="overview"><figcaption>How many times faster each block is than its '
    yield "twin in pure Python, and than the fastest of its peers: geometric mean of its works, "
    yield f"and a line from the least to the most. Left of 1{TIMES} a peer is faster.</figcaption>"
    yield f"{plots.overview(blocks)}</figure>"
    yield (
        "<p>Native fastblocks, its pure-Python twin and the libraries one would otherwise "
        "install, on the same work. Every answer was checked before it was timed; a library that "
        "answers wrongly or lacks the feature gets no number but the reason. "
        f"Of {shared} works that peers do too, no peer is faster in {ahead}.</p>"
    )


def _losses(report: Report) -> Iterator[str]:
    yield '<h2 id="losses">Where we lose</h2>'
    losses = findings.losses(report)
    if losses:
        yield (
            "<p>Computed from the numbers below: every work in which a peer is faster by more "
            "than 3&nbsp;%, and every promise that the measurement does not bear out.</p>"
        )
        yield '<div class="scroll"><table class="stacked"><tr><th>block</th><th>work</th>'
        yield '<th class="n">fastblocks</th><th class="n">peer</th><th class="n">better by</th>'
        yield "<th>which peer</th></tr>"
        for loss in losses:
            yield f"<tr><td>{_code(loss.block)}</td><td>{_code(loss.work)}</td>"
            numbers = loss.mine, loss.theirs, times(loss.behind or None)
            for label, text in zip(("fastblocks", "peer", "better by"), numbers, strict=True):
                yield f'<td class="n" data-label="{label}">{escape(text)}</td>'
            yield f"<td>{escape(loss.peer)}</td></tr>"
        yield "</table></div>"
    else:
        yield (
            "<p>In this run no peer is faster by more than 3&nbsp;%, and no measured rate or size "
            "is behind its promise or its peers.</p>"
        )
    floors = findings.floors(report)
    if floors:
        yield "<details><summary>Next to the floors, which are what Python itself costs</summary>"
        yield f"{_list(floors)}</details>"


def _peers(suites: Sequence[SuiteResult]) -> Iterator[str]:
    peers = findings.peers(suites)
    if not peers:
        return
    yield '<div class="scroll"><table class="stacked"><tr><th>peer</th><th>version</th>'
    yield "<th>compared in</th><th>lacks, gets wrong, or is too slow for</th></tr>"
    for peer in peers:
        notes = "<br>".join(map(_code, peer.notes))
        yield (
            f'<tr><td class="name">{escape(peer.name)}</td><td>{escape(peer.version)}</td>'
            f"<td>{escape(', '.join(peer.blocks))}</td><td>{notes}</td></tr>"
        )
    yield "</table></div>"


def _heading(family: str) -> str:
    return family.capitalize()


def _suite(suite: SuiteResult, report: Report) -> Iterator[str]:
    yield f'<h3 class="block" id="{escape(suite.block)}">{escape(suite.title)} '
    yield f"<small>{suite.name}</small></h3>"
    caches = report.machine["caches"]
    figures = [
        (plots.headline(suite), "How many times faster fastblocks is."),
        (plots.speeds(suite), f"Every library next to fastblocks, which is at 1{TIMES}."),
    ]
    figures += [
        (svg, caption)
        for svg, caption in zip(
            plots.accuracy(suite),
            (
                "Measured false-positive rate next to the target; bars are 95 % intervals.",
                "Memory; dotted is the optimum of a classic Bloom filter, 1.44·log₂(1/ε).",
            ),
            strict=False,
        )
    ]
    figures.append(
        (
            plots.cost(suite, caches),
            "Cost per integer key at 1 %, half the keys present, and this machine's caches.",
        )
    )
    figures += plots.curves(suite)
    yield from _figures(figures)
    yield "<details><summary>All numbers</summary>"
    yield f'<p class="soft">{escape(LEGEND)} Bars are logarithmic.</p><div class="tables">'
    for work in suite.works:
        if work.rows and work.chart == "bars":
            yield from _bars(suite, work)
    yield "</div>"
    for work in suite.works:
        if work.rows and work.chart != "bars":
            yield from _sweep(suite, work)
    yield "</details>"


def _figures(figures: list[tuple[str, str]]) -> Iterator[str]:
    yield '<div class="plots">'
    for svg, caption in figures:
        if svg:
            yield f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"
    yield "</div>"


def _bars(suite: SuiteResult, work: WorkResult) -> Iterator[str]:
    yield f'<div class="work"><h4>{_code(work.title)}</h4>'
    yield f"<small>{_code(work.detail)}; time per {work.unit}</small>"
    yield '<div class="scroll"><table><tr><th>library</th>'
    yield '<th class="n">min</th><th class="n">median</th>'
    yield '<th class="n">÷ native</th><th class="n">pure ÷</th><th class="bar"></th></tr>'
    native, pure = suite.native(work), suite.pure(work)
    slowest = max((row.min_ns or 0.0 for row in work.timed()), default=1.0)
    fastest = min((row.min_ns or 0.0 for row in work.timed()), default=1.0)
    for row in in_order(suite, work):
        role = suite.role(row.library)
        if row.min_ns is None:
            yield f'<tr class="failed"><td class="name">{escape(row.library)}</td>'
            yield f'<td colspan="5">{escape(row.note or aside(row))}</td></tr>'
            continue
        name = escape(row.library) + (" (floor)" if role == "floor" else "")
        if text := aside(row):
            name += f" <small>{text}</small>"
        color = plots.VARIABLES[plots.color_of(suite, row.library)]
        bar = f"width:{_share(row, fastest, slowest):.0f}%;background:var(--{color})"
        yield (
            f'<tr class="{role}"><td class="name">{name}</td>'
            f'<td class="n">{nanoseconds(row.min_ns)}</td>'
            f'<td class="n">{nanoseconds(row.median_ns)}</td>'
            f'<td class="n">{times(ratio(row, native))}</td>'
            f'<td class="n">{roughly(ratio(pure, row))}</td>'
            f'<td class="bar"><i style="{bar}"></i></td></tr>'
        )
    yield "</table></div></div>"


def _share(row: Row, fastest: float, slowest: float) -> float:
    """Return the length of a bar in percent, logarithmic with a tenth for the fastest."""
    if slowest <= fastest or not row.min_ns:
        return 100.0
    return 10 + 90 * math.log(row.min_ns / fastest) / math.log(slowest / fastest)


def _sweep(suite: SuiteResult, work: WorkResult) -> Iterator[str]:
    points = points_of(work)
    yield f'<div class="work"><h4>{_code(work.title)}</h4><small>{_code(work.detail)}</small>'
    yield '<div class="scroll"><table><tr><th>library</th>'
    yield "".join(f'<th class="n">{point_label(point)}</th>' for point in points) + "</tr>"
    for name in dict.fromkeys(row.library for row in work.rows):
        rows = {row.point: row for row in work.rows if row.library == name}
        texts = [point_text(work, rows.get(point)).replace("\n", "<br>") for point in points]
        cells = "".join(f'<td class="n">{text}</td>' for text in texts)
        counts = next((row.values for row in rows.values() if "probes" in row.values), None)
        note = ""
        if counts:
            note = f"<br><small>{counts['keys']:,.0f} keys, {counts['probes']:,.0f} probes</small>"
        role = suite.role(name)
        yield f'<tr class="{role}"><td class="name">{escape(name)}{note}</td>{cells}</tr>'
    yield "</table></div></div>"


def _reproducing(report: Report) -> Iterator[str]:
    machine = report.machine
    yield '<h2 id="reproducing">Reproducing</h2>'
    yield f"<p>From the root of the repository:</p><pre>make bench    # or: {report.command}</pre>"
    yield (
        f"<p>Each library ran in up to {report.rounds} processes of its own, taking turns; times "
        "are the best of these rounds, which leaves the noise of a shared machine out: "
        "<i>min</i> is the fastest call, <i>median</i> the lowest median of a round. What is more "
        f"than {runner.FAR:g} times as slow as fastblocks ran in one, as did the twin, and only "
        f"what is within a factor of {runner.CLOSE:g} in all. Slow libraries had fewer keys. "
        "The raw numbers are in "
        "<code>results.json</code> next to this page.</p>"
    )
    caches = ", ".join(f"{name} {size(value)}" for name, value in machine["caches"].items())
    facts = {
        "CPU": f"{machine['cpu']}, {machine['cores']} cores",
        "Instruction set in use": machine["simd"] or "unknown",
        "Caches": caches or "unknown",
        "Memory": size(machine["memory"]) if machine["memory"] else "unknown",
        "System": machine["os"],
        "Python": machine["python"] + (", free-threaded" if machine["free_threaded"] else ""),
        "Date": report.started,
        "Duration": f"{report.seconds:.0f} s",
    }
    facts |= {name: version or "not installed" for name, version in report.versions.items()}
    items = [f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items()]
    yield f"<dl>{''.join(items)}</dl>"


def _list(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{_code(line)}</li>" for line in lines) + "</ul>"


def _code(text: str) -> str:
    text = escape(text).replace(" %", "\N{NO-BREAK SPACE}%")
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
