"""Hit ratios against size for ``python -m fastblocks.cache simulate``: from a file to a picture."""

from __future__ import annotations

import csv
import gzip
import html
import io
import math
import pathlib
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastblocks._core.caches import MAX_ENTRIES, POLICIES
from fastblocks._core.check import choice

from .simulator import simulate

__all__ = ["FORMATS", "Curve", "cheapest", "draw", "make", "policies_of", "read", "sizes_of"]

FORMATS = (".png", ".svg", ".html")
# What readers of damaged files raise, besides ValueError and OSError.
UNREADABLE: tuple[type[Exception], ...] = (EOFError, MemoryError, RuntimeError, SyntaxError)
UNREADABLE += (csv.Error, tokenize.TokenError, zipfile.BadZipFile, zlib.error)
POINT = 0.01  # a hit ratio that much below the best is as good


# ---- the trace -----------------------------------------------------------------------------------


def read(path: str, entry: str | None = None, column: str | None = None) -> NDArray[Any]:
    """Return the keys of a trace in a file, as integers; of stdin for ``-``.

    Parameters
    ----------
    path : str
        ``.npy``, ``.npz``, ``.csv``, ``.tsv``, or text with one key a line; the latter three may be
        compressed (``.gz``).
    entry : str, optional
        Which array of an ``.npz`` file; the only one if not given.
    column : str, optional
        Which column of a table: its name in the first row, or its number from 1 in a table without
        names; the only one if not given.
    """
    suffixes = pathlib.Path(path).suffixes
    compressed = suffixes[-1:] == [".gz"]
    suffix = (suffixes[:-1] if compressed else suffixes)[-1:]
    table, npz = suffix in ([".csv"], [".tsv"]), suffix == [".npz"]
    if column is not None and not table:
        raise ValueError("--column is for .csv and .tsv files")
    if entry is not None and not npz:
        raise ValueError("--entry is for .npz files")
    try:
        if npz or suffix == [".npy"]:
            return _integers_of_array(_array(path, entry))
        with _text(path, compressed) as file:
            if table:
                return _integers(_column(file, "," if suffix == [".csv"] else "\t", column))
            return _integers([line for line in file.read().split("\n") if line])
    except UNREADABLE as error:
        raise ValueError(f"{path}: {error}") from None


def _text(path: str, compressed: bool) -> IO[str]:
    if path == "-":
        return io.TextIOWrapper(io.BytesIO(sys.stdin.buffer.read()), "utf-8", "surrogateescape")
    if compressed:
        return gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape")
    return open(path, encoding="utf-8", errors="surrogateescape")


def _array(path: str, entry: str | None) -> NDArray[Any]:
    with open(path, "rb") as file:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            loaded = loaded[_one_of("arrays", loaded.files, entry, "--entry")]
    array: NDArray[Any] = loaded
    return array


def _one_of(what: str, names: Sequence[str], wanted: str | None, option: str) -> str:
    if wanted in names:
        return wanted  # type: ignore[return-value]  # no name is None
    if wanted is None and len(names) == 1:
        return names[0]
    there = ", ".join(names) or "none"
    if wanted is None:
        raise ValueError(f"the {what} are {there}; choose one by {option}")
    raise ValueError(f"{option} {wanted} is not there; the {what} are {there}")


def _column(file: IO[str], delimiter: str, column: str | None) -> list[str]:
    rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if not rows:
        return []
    if column is not None and column not in rows[0] and column.isdecimal():
        at = int(column) - 1
    else:
        at = rows[0].index(_one_of("columns", rows[0], column, "--column"))
        del rows[0]
    for i, row in enumerate(rows):
        if not 0 <= at < len(row):
            raise ValueError(f"row {i + 1} of the data has {len(row)} columns, no column {at + 1}")
    return [row[at] for row in rows]


def _integers(texts: list[str]) -> NDArray[Any]:
    """Return keys that all are integers as such, others by number."""
    try:
        return np.array(list(map(int, texts)), np.int64)
    except (ValueError, OverflowError):
        return _numbered(texts)


def _numbered(keys: Iterable[Hashable]) -> NDArray[Any]:
    numbers: dict[Hashable, int] = {}
    return np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64)


def _integers_of_array(array: NDArray[Any]) -> NDArray[Any]:
    return _numbered(array.tolist()) if array.ndim == 1 and array.dtype.kind in "SU" else array


# ---- the simulations -----------------------------------------------------------------------------


class Curve(NamedTuple):
    """Hit ratios of policies at sizes."""

    requests: int
    keys: int
    sizes: list[int]
    ratios: dict[str, list[float]]  # by policy; OPT is the first

    @property
    def policies(self) -> list[str]:
        return [policy for policy in self.ratios if policy != "opt"]


def sizes_of(text: str, keys: int) -> list[int]:
    """Return sizes such as ``100,5%`` in order; percentages are of the number of different keys."""
    return sorted({_size_of(size.strip(), keys) for size in text.split(",")})


def _size_of(text: str, keys: int) -> int:
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if not 0 < share <= 1:
                raise ValueError
            return max(round(share * keys), 1)
        size = int(text)
        if not 1 <= size <= MAX_ENTRIES:
            raise ValueError
        return size
    except ValueError:
        raise ValueError(
            f"--sizes must be numbers in [1, {MAX_ENTRIES}] or percentages of the number of "
            f"different keys in (0%, 100%], such as 100,1000,10%, not {text!r}"
        ) from None


def policies_of(text: str) -> list[str]:
    """Return policies such as ``lru,sieve``, each once."""
    names = dict.fromkeys(name.strip() for name in text.split(","))
    return [choice("--policies", name, POLICIES) for name in names]


def make(
    keys: NDArray[Any],
    sizes: str,
    policies: Sequence[str],
    seed: int = 0,
    progress: Callable[[Iterable[tuple[str, int]], int], Iterable[tuple[str, int]]] = (
        lambda jobs, total: jobs
    ),
) -> Curve:
    """Simulate all policies, and OPT, at all sizes."""
    simulate(keys, [], seed=seed)  # checks them
    n_keys = len(np.unique(keys))
    numbers = sizes_of(sizes, n_keys)
    curve = Curve(len(keys), n_keys, numbers, {name: [] for name in ("opt", *policies)})
    jobs = [(policy, size) for policy in curve.ratios for size in numbers]
    for policy, size in progress(jobs, len(jobs)):
        curve.ratios[policy].append(simulate(keys, size, policy, seed))
    return curve


class Choice(NamedTuple):
    """A cache that one might buy."""

    ratio: float
    size: int
    policy: str

    def __str__(self) -> str:
        return f"{self.policy} with {self.size:,} entries: {percent(self.ratio)}"


def best_at_each_size(curve: Curve) -> list[Choice]:
    return [
        max(
            (Choice(curve.ratios[policy][i], size, policy) for policy in curve.policies),
            key=lambda choice: choice.ratio,  # of equal ones the first
        )
        for i, size in enumerate(curve.sizes)
    ]


def cheapest(curve: Curve) -> Choice:
    """Return the smallest cache within a point of the best."""
    choices = best_at_each_size(curve)
    enough = max(choice.ratio for choice in choices) - POINT
    return next(choice for choice in choices if choice.ratio >= enough)


def advice(curve: Curve) -> str:
    """Return in words which cache to buy."""
    best = max(best_at_each_size(curve), key=lambda choice: choice.ratio)
    choice = cheapest(curve)
    if choice == best:
        return f"Best is {best}; no smaller size comes within a point of it."
    return f"Cheapest within a point of the best is {choice} (best is {best})."


def percent(ratio: float) -> str:
    return f"{100 * ratio:.2f} %"


# ---- the picture ---------------------------------------------------------------------------------

STYLES = {  # colours that stand out on white and on black, by Okabe and Ito, and markers
    "opt": ("#808080", ""),
    "w-tinylfu": ("#0072b2", "o"),
    "lru": ("#d55e00", "s"),
    "s3-fifo": ("#009e73", "^"),
    "sieve": ("#cc79a7", "D"),
}
INK = "#010203"  # stands for the colour of the page's text

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto }}
body {{ padding: 0 1rem }}
svg {{ width: 100%; height: auto }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }}
td, th {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884 }}
</style>
<h1>{title}</h1>
<p>{counts}. {advice}</p>
{picture}
<div><table>
<tr>{heading}</tr>
{rows}
</table></div>
</html>
"""


def draw(curve: Curve, path: str, title: str) -> None:
    """Write the picture of a curve: a ``.png``, ``.svg`` or ``.html`` file."""
    suffix = pathlib.Path(path).suffix
    if suffix == ".html":
        svg = _picture(curve, "", "svg").decode().replace(INK, "currentColor")
        page = _page(curve, title, svg[svg.index("<svg") :])
        pathlib.Path(path).write_text(page, encoding="utf-8")
    else:
        pathlib.Path(path).write_bytes(_picture(curve, title, suffix[1:]))


def _page(curve: Curve, title: str, svg: str) -> str:
    def cells(tag: str, values: Iterable[str]) -> str:
        return "".join(f"<{tag}>{html.escape(value)}</{tag}>" for value in values)

    columns = zip(*curve.ratios.values(), strict=True)
    lines = [
        cells("td", [f"{size:,}", *map(percent, ratios)])
        for size, ratios in zip(curve.sizes, columns, strict=True)
    ]
    return PAGE.format(
        title=html.escape(title),
        counts=f"{curve.requests:,} requests for {curve.keys:,} different keys",
        advice=html.escape(advice(curve)),
        picture=svg,
        heading=cells("th", ["entries", *map(name_of, curve.ratios)]),
        rows="\n".join(f"<tr>{line}</tr>" for line in lines),
    )


def name_of(policy: str) -> str:
    return "OPT" if policy == "opt" else policy


def _picture(curve: Curve, title: str, format: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ink = INK if not title else "black"
    colors = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style: Any = {"svg.hashsalt": "fastblocks", **dict.fromkeys(colors, ink)}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        for policy, ratios in curve.ratios.items():
            color, marker = STYLES[policy]
            line = "--" if policy == "opt" else "-"
            percents = [100 * ratio for ratio in ratios]
            axes.plot(
                curve.sizes, percents, line, color=color, marker=marker, label=name_of(policy)
            )
        choice = cheapest(curve)
        axes.plot(
            choice.size, 100 * choice.ratio, "o", ms=14, mfc="none", mec=ink, label=str(choice)
        )
        axes.set_title(title)
        axes.set_xscale("log")
        axes.set_xlabel("entries")
        axes.set_ylabel("hit ratio, %")
        axes.set_xticks(_ticks(curve.sizes))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        file = io.BytesIO()
        metadata = {"Date": None} if format == "svg" else None
        figure.savefig(file, format=format, dpi=150, metadata=metadata, transparent=not title)
    return file.getvalue()


def _ticks(sizes: Sequence[int]) -> list[int]:
    """Return the sizes whose labels have room beside each other."""
    least = math.log(sizes[-1] / sizes[0]) / 9
    ticks = [sizes[0]]
    for size in sizes[1:]:
        if math.log(size / ticks[-1]) >= least:
            ticks.append(size)
    return ticks
