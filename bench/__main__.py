"""The command line: ``python -m bench [family ...] [--full] [--no-peers]``."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench import compare, data, machine, page, readme, results, runner, tables
from bench.discovery import ROOT, Suite, discover, families
from bench.progress import Display

REPORT = ROOT / "report"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare fastblocks with its pure-Python twin and with other libraries. "
        "Every answer is checked before it is timed. The report goes to bench/report/.",
    )
    options.add_argument(
        "family", nargs="*", help=f"families to run (default: all): {', '.join(families())}"
    )
    scale = options.add_mutually_exclusive_group()
    scale.add_argument("--full", action="store_true", help="up to 100 M keys; may take long")
    scale.add_argument(
        "--quick", action="store_true", help="tiny inputs, to see that everything works"
    )
    options.add_argument("--no-peers", action="store_true", help="leave other libraries out")
    options.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="put the last report's table between the marks in a Markdown file, and stop",
    )
    options.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("OLD.json", "NEW.json"),
        help="show what has become slower between two reports, and stop; 1 if anything has",
    )
    options.add_argument(
        "--traces",
        type=Path,
        help="folder of .npy or .npz files of keys, as streams for sketches and caches",
    )
    options.add_argument("--report", type=Path, default=REPORT, help="folder of the report")
    return options


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the benchmark; return 0, or 1 if fastblocks itself failed, or 2 on misuse."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if options.readme:
            return _readme(options)
        if options.compare:
            old, new = map(results.Report.load, options.compare)
            return int(compare.print_comparison(Console(), old, new))
        if options.traces:
            os.environ[data.TRACES_VARIABLE] = str(options.traces.resolve())
            data.stream(1, 1.0)
        suites = discover(options.family, root)
        return _benchmark(options, suites)
    except FileNotFoundError as error:
        if not (options.readme or options.compare):
            raise
        print(f"python -m bench: there is no {error.filename}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"python -m bench: {error}; pip install '.[bench]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the last report is as it was", file=sys.stderr)
        return 130


def _benchmark(options: argparse.Namespace, suites: Sequence[Suite]) -> int:
    console = Console()
    scale = runner.FULL if options.full else runner.QUICK if options.quick else runner.DEFAULT
    jobs = runner.plan(suites, scale, peers=not options.no_peers)
    started = datetime.now(timezone.utc)
    clock = time.monotonic()
    with Display(console, jobs) as display:
        outcome = runner.run(jobs, scale, display)
    report = results.Report(
        command=_command(options),
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 1),
        scale=scale.name,
        rounds=scale.rounds,
        machine=machine.describe(),
        versions=machine.versions(lib.distribution for job in jobs for lib in job.libraries),
        suites=[_suite_result(suite, jobs, outcome) for suite in suites],
    )
    tables.print_report(console, report)
    options.report.mkdir(parents=True, exist_ok=True)
    report.save(options.report / "results.json")
    page.write(report, options.report / "index.html")
    tables.print_seconds(console, report)
    console.print(f"{report.seconds:.0f} s; the report is in {options.report}/index.html")
    if options.quick:
        console.print("A quick run, on tiny inputs: its times say nothing.", style="yellow")
    failures = report.native_failures()
    for message, works in failures.items():
        text = f"fastblocks failed at {len(works)} measurements: {message}"
        console.print(text, style="bold red", markup=False)
    return 1 if failures else 0


def _readme(options: argparse.Namespace) -> int:
    report = results.Report.load(options.report / "results.json")
    text = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(readme.put(text, readme.markdown(report)), encoding="utf-8")
    print(f"{options.readme}: the table of {report.command}, {report.started}")
    return 0


def _suite_result(
    suite: Suite, jobs: Sequence[runner.Job], outcome: runner.Outcome
) -> results.SuiteResult:
    took_part = dict.fromkeys(lib for job in jobs if job.suite is suite for lib in job.libraries)
    return results.SuiteResult(
        family=suite.family,
        block=suite.block,
        title=suite.title,
        seconds=round(outcome.seconds.get(suite.name, 0.0), 1),
        libraries=[
            results.LibraryInfo(lib.name, lib.role, machine.version(lib.distribution))
            for lib in took_part
        ],
        works=[
            results.WorkResult(
                id=work.id,
                title=work.title,
                detail=work.detail,
                unit=work.unit,
                chart=work.chart,
                headline=work.headline,
                axes=work.axes,
                rows=results.merge(outcome.rows.get((suite.name, work.id), [])),
            )
            for work in suite.works
        ],
    )


def _command(options: argparse.Namespace) -> str:
    flags = [f"--{name}" for name in ("full", "quick") if getattr(options, name)]
    flags += ["--no-peers"] if options.no_peers else []
    flags += ["--traces", str(options.traces)] if options.traces else []
    return shlex.join(["python", "-m", "bench", *options.family, *flags])


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
