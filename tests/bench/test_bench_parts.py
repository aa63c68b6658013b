"""Discovery, merging, ratios, findings and number formats of the benchmark."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import compare, data, findings, plots, runner, tables
from bench.discovery import discover, families
from bench.findings import Loss
from bench.model import Library, Work, expect, work
from bench.results import LibraryInfo, Report, Row, SuiteResult, WorkResult, merge, ratio
from tools.requirements import requirements

TIMES = "\N{MULTIPLICATION SIGN}"


def ok(library: str, min_ns: float, **more: object) -> Row:
    return Row(library, "ok", min_ns=min_ns, median_ns=min_ns + 1, rounds=5, **more)


def report_of(*works: WorkResult) -> Report:
    libraries = [
        LibraryInfo("fastblocks", "native", "1"),
        LibraryInfo("fastblocks.pure", "pure", "1"),
        LibraryInfo("peer", "peer", "2"),
        LibraryInfo("other", "peer", ""),
        LibraryInfo("set", "floor", ""),
    ]
    suite = SuiteResult("toys", "toy", "Toy", libraries, list(works))
    return Report("python -m bench", "2026-01-01", 1.0, "quick", 1, {}, {}, [suite])


def bars(*rows: Row) -> WorkResult:
    return WorkResult("total", "`sum`", "100 keys", "key", "bars", True, list(rows))


def test_discovery_finds_families_files_libraries_and_works() -> None:
    assert {"filters", "hashing"} <= set(families())
    suites = {suite.name: suite for suite in discover()}
    bloom = suites["filters/bloom"]
    assert bloom.title == "Bloom filter"
    assert {suite.family for suite in discover(["filters"])} == {"filters"}
    for suite in suites.values():
        roles = [library.role for library in suite.libraries]
        assert "native" in roles
        if any(item.chart == "bars" for item in suite.works):
            assert roles.count("native") == roles.count("pure") == 1
            assert "floor" in roles
        names = [library.name for library in suite.libraries]
        ids = [item.id for item in suite.works]
        assert len(set(names)) == len(names)
        assert len(set(ids)) == len(ids)
        for item in suite.works:
            assert set(item.libraries) <= set(names)
        for library in suite.libraries:
            assert set(library.only) <= set(ids)


def test_an_unknown_family_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="no family 'nope'; there are: cache, filters"):
        discover(["nope"])


def test_work_marks_a_function() -> None:
    @work("`f`", "input", points=(1.0, 2.0, 3.0), full_points=(9.0,))
    def bench_something() -> None: ...

    spec = bench_something.work  # type: ignore[attr-defined]
    assert spec == Work("something", "`f`", "input", points=(1.0, 2.0, 3.0), full_points=(9.0,))
    assert spec.points_for("quick") == (1.0, 2.0)
    assert spec.points_for("default") == (1.0, 2.0, 3.0)
    assert spec.points_for("full") == (1.0, 2.0, 3.0, 9.0)


def test_expect() -> None:
    expect(True, "fine")
    with pytest.raises(AssertionError, match="broken"):
        expect([], "broken")


def test_those_who_compete_take_turns_and_the_others_run_once() -> None:
    suite = discover(["hashing"])[0]
    jobs = runner.plan([suite], runner.DEFAULT)
    rivals, others = (
        [library for library in suite.libraries if (library.role in runner.ALONE) is alone]
        for alone in (True, False)
    )
    turns = [(turn, (library,)) for turn in range(runner.DEFAULT.rounds) for library in rivals]
    assert [(job.round, job.libraries) for job in jobs] == [*turns, (0, tuple(others))]
    without = runner.plan([suite], runner.DEFAULT, peers=False)
    assert not any(library.role == "peer" for job in without for library in job.libraries)


def test_a_quick_run_has_one_process_for_each_suite() -> None:
    suites = discover(["hashing"])
    jobs = runner.plan(suites, runner.QUICK)
    assert [job.libraries for job in jobs] == [suite.libraries for suite in suites]


def test_merge_takes_the_best_round_and_the_worst_status() -> None:
    first = [ok("a", 5.0), ok("b", 3.0), ok("c", 1.0, point=10), ok("c", 2.0, point=20)]
    second = [ok("a", 4.0), Row("b", "error", note="crashed: SIGSEGV"), ok("c", 0.5, point=10)]
    merged = {(row.library, row.point): row for row in merge([*first, *second])}
    assert (merged["a", None].min_ns, merged["a", None].median_ns) == (4.0, 5.0)
    assert merged["a", None].rounds == 10
    assert merged["b", None].note == "crashed: SIGSEGV"
    assert merged["b", None].min_ns is None
    assert merged["c", 10].min_ns == 0.5
    assert merged["c", 20].min_ns == 2.0
    worse = merge([Row("d", "wrong", note="first"), Row("d", "error", note="second")])
    assert [row.note for row in worse] == ["first"]


def test_ratio() -> None:
    assert ratio(ok("a", 6.0), ok("b", 2.0)) == 3.0
    assert ratio(ok("a", 6.0), None) is None
    assert ratio(Row("a", "wrong"), ok("b", 2.0)) is None


def test_losses_are_computed() -> None:
    slower = bars(ok("fastblocks", 20.0), ok("peer", 10.0), ok("other", 19.9), ok("set", 1.0))
    sweep = WorkResult("s", "`in`", "", "key", "cost", False)
    sweep.rows = [ok("fastblocks", 3.0, point=10), ok("peer", 2.0, point=10)]
    sweep.rows += [ok("fastblocks", 9.0, point=20), ok("peer", 3.0, point=20)]
    rates = WorkResult("r", "rates", "", "key", "accuracy", False)
    for name, bits, found in (("fastblocks", 12.0, 2000.0), ("peer", 10.0, 1000.0)):
        values = {"bits": bits, "rate": found / 1e5, "found": found, "keys": 1e5, "probes": 1e5}
        rates.rows.append(Row(name, "ok", point=0.01, values=values))
    assert findings.losses(report_of(slower, sweep, rates)) == [
        Loss("Toy", "`in`, at 20 keys", "9.00 ns", "peer", "3.00 ns", 3.0),
        Loss("Toy", "`sum`, 100 keys", "20.0 ns", "peer", "10.0 ns", 2.0),
        Loss("Toy", "False positives, target 1 %", "2.00 %"),
        Loss("Toy", "Bits per key at 1 %", "12.0", "peer", "10.0", 1.2),
    ]
    assert findings.losses(report_of(bars(ok("fastblocks", 5.0), ok("peer", 6.0)))) == []


def test_a_curve_below_a_peers_is_a_loss() -> None:
    curve = WorkResult("c", "Error", "", "key", "curve", False, axes=("bytes", "error"))
    for name, size, error in (
        ("fastblocks", 1024.0, 0.02),
        ("fastblocks", 4096.0, 0.01),
        ("peer", 1024.0, 0.021),
        ("peer", 4096.0, 0.005),
        ("other", 512.0, 0.5),
    ):
        values = {"bytes": size, "error": error}
        curve.rows.append(Row(name, "ok", point=size, values=values))
    assert findings.losses(report_of(curve)) == [
        Loss("Toy", "Error, at 4 KiB", "1.00 %", "peer", "0.500 %", 2.0),
    ]


def test_a_curve_may_be_of_times() -> None:
    curve = WorkResult("c", "`f`", "", "key", "curve", False, axes=("nodes", "ns"))
    for name, nodes, ns in (("fastblocks", 10, 3.0), ("fastblocks", 100, 5.0), ("peer", 100, 2.0)):
        row = ok(name, ns, point=nodes)
        row.values = {"nodes": nodes}
        curve.rows.append(row)
    assert findings.losses(report_of(curve)) == [
        Loss("Toy", "`f`, at 100 nodes", "3.00 ns", "peer", "2.00 ns", 1.5),
    ]
    assert len(plots.curves(report_of(curve).suites[0])) == 1


def test_a_curve_may_be_against_times() -> None:
    curve = WorkResult("c", "Hits", "", "key", "curve", False, axes=("ns", "ratio"))
    for name, ns, hits in (("fastblocks", 5.0, 0.4), ("peer", 6.0, 0.5), ("other", 4.0, 0.6)):
        row = ok(name, ns, point=0.1)
        row.values = {"ratio": hits}
        curve.rows.append(row)
    curve.rows.append(Row("fastblocks.pure", "unsupported", point=0.1, note="slow"))
    assert findings.losses(report_of(curve)) == [
        Loss("Toy", "Hits, at 6.00 ns", "40.0 %", "peer", "50.0 %", 0.5 / 0.4),
    ]
    assert tables.point_text(curve, curve.rows[0]) == "40.0 %\n5.00 ns"
    assert len(plots.curves(report_of(curve).suites[0])) == 1


def test_what_stands_beside_a_time() -> None:
    asides = [
        tables.aside(ok("a", 1.0, values=v))
        for v in ({}, {"bytes": 512.0}, {"ratio": 0.256}, {"wrong": 0.2})
    ]
    assert asides == ["", "512 B", "25.6 % hits", "20 % wrong"]


def test_works_are_counted_in_which_no_peer_is_faster() -> None:
    won, lost, alone = (
        bars(ok("fastblocks", 2.0), *others)
        for others in ([ok("peer", 2.0)], [ok("peer", 1.0)], [ok("set", 1.0)])
    )
    assert findings.tally(report_of(won, won, lost, alone)) == (3, 2)


def test_speedups_are_of_the_twin_and_the_fastest_peer() -> None:
    first = bars(ok("fastblocks", 2.0), ok("fastblocks.pure", 20.0), ok("peer", 8), ok("other", 6))
    second = bars(ok("fastblocks", 2.0), ok("fastblocks.pure", 80.0), ok("set", 1.0))
    assert findings.speedups(report_of(first, second, bars(ok("peer", 1.0)))) == [
        findings.Speedup("toys", "Toy", (10.0, 40.0), (3.0,))
    ]
    assert findings.speedups(report_of(bars(ok("fastblocks", 2.0)))) == []
    assert findings.mean((10.0, 40.0)) == pytest.approx(20.0)
    assert findings.mean(()) is None


def test_peers_with_what_they_lack() -> None:
    rows = [Row("peer", "unsupported", note="no sum"), ok("other", 3.0, values={"wrong": 0.2})]
    report = report_of(bars(ok("fastblocks", 2.0), *rows), bars(*rows))
    assert findings.peers(report.suites) == [
        findings.Peer("peer", "2", ("Toy",), ("no sum: `sum`",)),
        findings.Peer("other", "", ("Toy",), ("20.00 % of answers wrong: `sum`",)),
    ]


def test_what_is_far_away_or_has_no_time_is_settled() -> None:
    suite = discover(["hashing"])[0]
    work = suite.works[0].id
    native, peer = (
        next(library for library in suite.libraries if library.role == role)
        for role in ("native", "peer")
    )
    key = (suite.name, work)

    def settled(library: type[Library], turn: int, *rows: Row) -> bool:
        job = runner.Job(suite, (library,), turn)
        return work in runner._settled(job, {key: list(rows)})

    base, near, mid, far = (
        ok(name, ns)
        for name, ns in ((native.name, 10), (peer.name, 14), (peer.name, 20), (peer.name, 60))
    )
    assert [settled(peer, 1, base, row) for row in (near, mid, far)] == [False, False, True]
    assert [settled(peer, 2, base, row) for row in (near, mid, far)] == [False, True, True]
    assert settled(peer, 1, base, ok(peer.name, 1.0))
    assert not settled(peer, 1, base, far, near)
    assert not settled(peer, 1, base)
    assert [settled(native, 1, base, row) for row in (near, far)] == [False, False]
    assert [settled(native, 2, base, row) for row in (near, mid)] == [False, True]
    assert settled(native, 2, base)
    lacking = Row(peer.name, "unsupported")
    assert [settled(peer, turn, base, lacking) for turn in (0, 1)] == [False, True]
    job = replace(runner.Job(suite, (peer,), 2), settled=(work,))
    assert work not in {expected for _, expected, _ in job.expected(runner.DEFAULT)}


def test_reports_are_compared_next_to_rows_of_the_same_run() -> None:
    def run(native: float, pure: float, floor: float) -> Report:
        rows = [ok("fastblocks", native), ok("fastblocks.pure", pure), ok("set", floor)]
        return report_of(bars(*rows))

    def factor(old: Report, new: Report) -> float:
        (change,), lost = compare.compare(old, new)
        assert lost == []
        return change.factor

    old = run(10.0, 100.0, 5.0)
    assert factor(old, run(20.0, 200.0, 10.0)) == 1.0  # a slower machine
    assert factor(old, run(20.0, 100.0, 8.0)) == pytest.approx(1.25)  # both say at least this
    assert factor(old, run(20.0, 300.0, 5.0)) == 1.0  # they do not agree
    assert factor(old, run(5.0, 100.0, 4.0)) == pytest.approx(0.625)
    assert compare.compare(old, report_of(bars(ok("set", 1.0)))) == (
        [],
        ["toys/toy: `sum`, 100 keys"],
    )
    console = Console(record=True, width=120)
    assert compare.print_comparison(console, old, run(20.0, 100.0, 5.0))
    assert "1 slower" in console.export_text()
    assert not compare.print_comparison(console, old, old)


def test_long_inputs_are_made_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.SNAPSHOT_VARIABLE, str(tmp_path))
    made: list[str] = []

    def names(n: int) -> list[str]:
        made.append("names")
        return ["Évora", "Faro"][:n]

    def numbers() -> np.ndarray:
        made.append("numbers")
        return np.arange(3.0)

    for _ in range(2):  # as two processes
        assert data.stored(names)(2) == ["Évora", "Faro"]
        assert data.stored(names)(1) == ["Évora"]
        assert data.stored(numbers)().tolist() == [0.0, 1.0, 2.0]
    assert made == ["names", "names", "numbers"]
    monkeypatch.delenv(data.SNAPSHOT_VARIABLE)
    assert data.stored(names)(1) == ["Évora"]
    assert len(made) == 4


def test_every_family_has_an_extra_with_its_peers() -> None:
    path = Path(__file__).parents[2] / "pyproject.toml"
    extras = re.findall(r"(?m)^(bench-\w+) = \[(.*?)\]$", path.read_text(), re.DOTALL)
    wanted = {name: re.findall(r'"([\w.-]+)', text) for name, text in extras}
    for suite in discover():
        distributions = {library.distribution for library in suite.libraries} - {"", "numpy"}
        assert distributions - {"fastblocks"} <= set(wanted[f"bench-{suite.family}"]), suite.name
    declared = ['pytest>=8; extra == "a"', 'fastblocks[a]; extra == "b"', "x; extra == 'b'"]
    assert requirements(["b", "a"], declared) == ["pytest>=8", "x"]
    with pytest.raises(SystemExit, match="no extra 'c'"):
        requirements(["c"], declared)


def test_failures_of_fastblocks_are_losses() -> None:
    report = report_of(bars(Row("fastblocks", "wrong", note="wrong answer: x"), ok("peer", 1.0)))
    assert findings.losses(report) == [Loss("toys/toy: wrong answer: x", "1 measurements")]
    assert report.native_failures() == {"toys/toy: wrong answer: x": ["`sum`"]}


def test_results_round_trip_through_json(tmp_path: Path) -> None:
    report = report_of(bars(ok("fastblocks", 2.0), ok("fastblocks.pure", 20.0), ok("peer", 3.0)))
    report.save(tmp_path / "results.json")
    rows = json.loads((tmp_path / "results.json").read_text())["suites"][0]["works"][0]["rows"]
    assert [row["times_native"] for row in rows] == [1.0, 10.0, 1.5]
    assert [row["speedup_on_pure"] for row in rows] == [10.0, 1.0, 20 / 3]
    assert Report.load(tmp_path / "results.json") == report


def test_results_of_another_schema_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema": 0}')
    with pytest.raises(ValueError, match="schema 3"):
        Report.load(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.3149, "0.315 ns"),
        (3.0, "3.00 ns"),
        (99.96, "100 ns"),
        (999.4, "999 ns"),
        (999.6, "1.00 µs"),
        (57_600.0, "57.6 µs"),
        (1.5e6, "1.50 ms"),
        (2.5e9, "2.50 s"),
    ],
)
def test_nanoseconds(value: float | None, text: str) -> None:
    assert tables.nanoseconds(value) == text


def test_number_formats() -> None:
    assert [tables.times(x) for x in (0.0123, 0.5, 1.0, 12.34, 1234.5)] == [
        f"{text}{TIMES}" for text in ("0.0123", "0.50", "1.00", "12.3", "1,234")
    ]
    assert [tables.percent(x) for x in (0, 0.1, 0.01, 0.00012, 0.0000098)] == [
        "0 %",
        "10.00 %",
        "1.00 %",
        "0.0120 %",
        "0.000980 %",
    ]
    assert [tables.point_label(x) for x in (0.1, 0.00001, 1000)] == ["10 %", "0.001 %", "1,000"]
    assert [tables.size(x) for x in (512, 32768, 33554432)] == ["512 B", "32 KiB", "32 MiB"]


def test_long_sweeps_show_a_part_of_their_points() -> None:
    sweep = WorkResult("s", "`f`", "", "key", "curve", False)
    sweep.rows = [ok("fastblocks", 1.0, point=i) for i in range(1, 12)]
    assert tables.points_of(sweep) == list(range(1, 12))
    sweep.rows = [ok("fastblocks", 1.0, point=i) for i in range(1, 111)]
    assert tables.points_of(sweep) == list(range(10, 111, 10))


def test_traces_stand_in_for_the_made_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data.stream(5, 1.1).tolist() == data.zipf(5, 1.1).tolist()
    assert data.stream_name(1.1) == "Zipf 1.1"
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv(data.TRACES_VARIABLE, str(folder))
    with pytest.raises(ValueError, match="no traces"):
        data.stream(5, 1.1)
    np.save(folder / "a.npy", np.array([3, 1], np.uint32))
    np.savez(folder / "b.npz", np.array([7], np.int64))
    assert data.stream(5, 1.1).tolist() == [3, 1, 7, 3, 1]
    assert {name: data.trace(name).tolist() for name in data.trace_names()} == {
        "a.npy": [3, 1],
        "b.npz": [7],
    }
    assert data.stream_name(1.1) == "the traces in mine"


def test_a_trace_is_one_array_of_integers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    monkeypatch.setenv(data.TRACES_VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="a trace is one array of integer keys"):
        data.stream(5, 1.1)
