"""The vocabulary of a benchmark file.

A file ``bench/<family>/bench_<block>.py`` has three things: a docstring whose first line is
the title, a tuple ``LIBRARIES`` of `Library` classes that do the same work in different ways,
and functions ``bench_<work>`` marked with `work`::

    @work("`in`, keys present", "200 k city names, 1 %")
    def bench_contains_hits(lib: Bloom, timed: Timed) -> None:
        filled, keys = lib.filled(), lib.some(city_names())
        expect(all(key in filled for key in keys), "an added key is missing")
        timed(lambda: lib.contains_each(filled, keys), items=len(keys))

The function checks the answer with `expect`, then hands one callable to ``timed``. What a
library cannot do raises `Unsupported` with the reason, which becomes its row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeVar

Role = Literal["native", "pure", "peer", "floor"]
Chart = Literal["bars", "cost", "accuracy", "curve"]
K = TypeVar("K")
F = TypeVar("F", bound=Callable[..., None])


class Unsupported(Exception):
    """The library has no such feature; the message says what is missing."""


class WrongAnswer(AssertionError):
    """The library answered wrongly, so its time means nothing."""


def expect(condition: object, message: str) -> None:
    """Raise `WrongAnswer` with `message` unless `condition` holds."""
    if not condition:
        raise WrongAnswer(message)


class Library:
    """One way to do the work: fastblocks, its twin, a peer, or a floor Python itself sets.

    Subclasses set the class attributes and add the methods their block needs. An instance is
    made only in the process that times it, so only there is the library imported.

    Attributes
    ----------
    name : str
        What the tables call it.
    role : {"native", "pure", "peer", "floor"}
        Floors are not competitors: they show what the interpreter alone costs.
    module : str
        Module to import, available as ``self.api``; empty for none.
    distribution : str
        Name on PyPI, for the version; empty for none.
    max_keys : int
        Slow libraries work on this many keys at most; nanoseconds per key are compared.
    only : tuple of str
        Ids of the works it takes part in; empty for all. Mostly for floors.
    """

    name: ClassVar[str]
    role: ClassVar[Role] = "peer"
    module: ClassVar[str] = ""
    distribution: ClassVar[str] = ""
    max_keys: ClassVar[int] = 1 << 62
    only: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.api: Any = importlib.import_module(self.module) if self.module else None

    def some(self, keys: Sequence[K]) -> Sequence[K]:
        """Return the first `max_keys` of `keys`."""
        return keys[: self.max_keys]


class Timed(Protocol):
    """The ``timed`` fixture: times `function`, which handles `items` items per call."""

    def __call__(self, function: Callable[[], object], items: int, **values: float) -> None: ...


class Record(Protocol):
    """The ``record`` fixture: notes measured `values` that are not times."""

    def __call__(self, **values: float) -> None: ...


@dataclass(frozen=True)
class Work:
    """What one ``bench_`` function measures.

    Attributes
    ----------
    id : str
        Name of the function without ``bench_``.
    title, detail : str
        The operation, and its input. Titles may use backquotes for code.
    unit : str
        What one item is: times are per `unit`.
    chart : {"bars", "cost", "accuracy", "curve"}
        How the report draws it; all but ``bars`` are sweeps over `points`.
    axes : (str, str)
        Of a ``curve``: the names of the recorded values it draws, x and y; see
        `bench.tables.AXES`. ``"ns"`` is the time.
    points, full_points : tuple of float
        Values the ``point`` fixture takes; `full_points` come on top with ``--full``.
    libraries : tuple of str
        Names of the libraries that take part; empty for all.
    headline : bool
        Whether it belongs in the README's table.
    rounds : int
        Rounds that are enough, 1 where nothing is timed; 0 for all.
    full_only : bool
        Whether it runs with ``--full`` only.
    """

    id: str
    title: str
    detail: str = ""
    unit: str = "key"
    chart: Chart = "bars"
    axes: tuple[str, str] = ("", "")
    points: tuple[float, ...] = ()
    full_points: tuple[float, ...] = ()
    libraries: tuple[str, ...] = ()
    headline: bool = False
    rounds: int = 0
    full_only: bool = False

    def takes(self, library: type[Library]) -> bool:
        """Whether `library` takes part."""
        if library.only and self.id not in library.only:
            return False
        return not self.libraries or library.name in self.libraries

    def points_for(self, scale: str) -> tuple[float, ...]:
        """Return the points of a ``quick``, ``default`` or ``full`` run."""
        if scale == "quick":
            return self.points[:2]
        return self.points + self.full_points if scale == "full" else self.points


def work(title: str, detail: str = "", **options: Any) -> Callable[[F], F]:
    """Mark a ``bench_`` function; `options` are the other fields of `Work`."""

    def mark(function: F) -> F:
        name = function.__name__.removeprefix("bench_")
        function.work = Work(name, title, detail, **options)  # type: ignore[attr-defined]
        return function

    return mark
