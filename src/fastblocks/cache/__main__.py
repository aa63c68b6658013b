"""The command line: ``python -m fastblocks.cache simulate TRACE``."""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import sys
from collections.abc import Iterable, Sequence

from fastblocks._core.caches import POLICIES

from . import _curve

PROGRAM = "python -m fastblocks.cache"
SIZES = "1%,2%,5%,10%,20%,50%"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(prog=PROGRAM, description="What caches do.")
    commands = options.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "simulate",
        help="show the hit ratios that caches would have on a trace of requests",
        description="Show the hit ratios that caches would have on TRACE: a .npy or .npz file of "
        "integers or strings, a column of a .csv or .tsv file, or text with one key a line (the "
        "latter may be .gz; - for stdin). OPT is the best that any cache could do.",
    )
    run.add_argument("trace", metavar="TRACE")
    run.add_argument(
        "--sizes",
        default=SIZES,
        help="numbers of entries, or percentages of the number of different keys, such as "
        f"100,1000,10%% (default: {SIZES.replace('%', '%%')})",
    )
    default = ",".join(POLICIES)
    run.add_argument("--policies", default=default, help=f"which to compare (default: {default})")
    run.add_argument("--seed", type=int, default=0, help="of the hash (default: 0)")
    run.add_argument("--entry", metavar="NAME", help="the array of a .npz file that holds several")
    run.add_argument(
        "--column",
        metavar="NAME",
        help="the column of a table that has several; its number from 1 if the first row has no "
        "names",
    )
    run.add_argument(
        "--out",
        metavar="FILE",
        help="draw the curves (.png, .svg, .html); needs matplotlib",
    )
    run.add_argument("--csv", action="store_true", help="print CSV; rich is not needed then")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 if it was given something wrong."""
    options = parser().parse_args(arguments)
    try:
        if options.out is not None:
            _check_out(options.out)
        _need("rich", not options.csv, "tables need rich", ", or use --csv")
        _need("matplotlib", options.out is not None, "--out needs matplotlib")
        policies = _curve.policies_of(options.policies)
        keys = _curve.read(options.trace, options.entry, options.column)
        track = _untracked if options.csv else _track
        curve = _curve.make(keys, options.sizes, policies, options.seed, track)
        _print_csv(curve) if options.csv else _print_table(curve)
        if options.out is not None:
            _curve.draw(curve, options.out, f"Hit ratios on {os.path.basename(options.trace)}")
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    return 0


def _check_out(path: str) -> None:
    if os.path.splitext(path)[1] not in _curve.FORMATS:
        *most, last = _curve.FORMATS
        raise ValueError(f"--out must end in {', '.join(most)} or {last}, not {path!r}")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise ValueError(f"--out: there is no folder {folder!r}")


def _need(module: str, needed: bool, why: str, instead: str = "") -> None:
    if needed:
        try:
            importlib.import_module(module)
        except ImportError:
            message = f"{why}: pip install 'fastblocks[simulate]'{instead}"
            raise ImportError(message) from None


# ---- output --------------------------------------------------------------------------------------

_Jobs = Iterable[tuple[str, int]]


def _untracked(jobs: _Jobs, total: int) -> _Jobs:
    return jobs


def _track(jobs: _Jobs, total: int) -> _Jobs:
    """Show on a terminal how far the jobs have come."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(jobs, "Simulating", total, console=console, transient=True, disable=hidden)


def _print_csv(curve: _curve.Curve) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["size", *curve.ratios])
    for size, *ratios in zip(curve.sizes, *curve.ratios.values(), strict=True):
        writer.writerow([size, *ratios])


def _print_table(curve: _curve.Curve) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, emoji=False, highlight=False)
    table = Table(title="Hit ratios", title_justify="left", title_style="bold")
    for heading in ("entries", "of keys", *map(_curve.name_of, curve.ratios)):
        style = "dim" if heading == "OPT" else ""
        table.add_column(heading, justify="right", no_wrap=True, style=style)
    for i, size in enumerate(curve.sizes):
        best = max(curve.ratios[policy][i] for policy in curve.policies)
        cells = [
            Text(_curve.percent(ratios[i]), "bold" if ratios[i] == best else "")
            for ratios in curve.ratios.values()
        ]
        table.add_row(f"{size:,}", _curve.percent(size / curve.keys), *cells)
    console.print(f"{curve.requests:,} requests for {curve.keys:,} different keys", style="dim")
    console.print(table)
    console.print(_curve.advice(curve))


if __name__ == "__main__":
    sys.exit(main())
