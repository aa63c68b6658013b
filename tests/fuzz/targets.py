"""What is fuzzed: every class with ``from_bytes``, and every reader of texts and files.

Classes, and functions of cells, are found in the package, so that new ones are covered too. The
seeds of a class are the files in ``tests/golden`` that it reads, and what the example in its
docstring makes.
"""

import contextlib
import doctest
import functools
import inspect
import io
import json
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import fastblocks
import fastblocks.pure
from fastblocks._core import shared
from fastblocks.cache import _curve
from fastblocks.limit import _http
from fastblocks.ring import _plan
from tests.fuzz import mutators
from tests.fuzz.contract import RAISED, REFUSED, Finding, agree, attempt, calls_of, signature, use

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
SAID = (*REFUSED, OSError)  # what command lines say, and not show as a traceback
# With an index in its payload that the native class asks and the pure one does not: what hostile
# bytes say may differ, what is read and refused may not.
INDEXED = ("Geofence",)
LARGE = 20_000  # bytes of a seed: what is larger takes long
IMPLS = {"native": fastblocks, "pure": fastblocks.pure}


class Target(NamedTuple):
    """One reader: `check` gives the signature of what became of an input, or raises `Finding`."""

    name: str
    seeds: list[bytes]
    mutate: Callable[..., bytes]
    check: Callable[[bytes], str]


@functools.cache
def folder():
    """A folder for files to be read, for as long as the process lives."""
    return tempfile.TemporaryDirectory(prefix="fastblocks-fuzz-")


def written(data, name="input"):
    """The path of a file that holds `data`."""
    path = pathlib.Path(folder().name, name)
    path.unlink(missing_ok=True)  # another file, whoever has that one open
    path.write_bytes(data)
    return path


# ---- serialised objects --------------------------------------------------------------------------


def state_classes():
    """Name of every public class that reads bytes."""
    for name in fastblocks.__all__:
        cls = getattr(fastblocks, name)
        if inspect.isclass(cls) and hasattr(cls, "from_bytes"):
            try:
                cls.from_bytes(b"")
            except TypeError:  # SharedMemory: its file is its state
                continue
            except ValueError:
                yield name


def examples_of(cls):
    """The objects of a class that the example in its docstring makes."""
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(cls), {}, cls.__name__, None, 0)
    with contextlib.redirect_stdout(io.StringIO()):
        doctest.DocTestRunner().run(test, clear_globs=False)
    return [value for value in test.globs.values() if type(value) is cls]


def state_seeds(cls):
    seeds = [made.to_bytes() for made in examples_of(cls)]
    for path in sorted(GOLDEN.glob("*.bin")):
        data = path.read_bytes()
        with contextlib.suppress(ValueError):
            cls.from_bytes(data)
            seeds.append(data)
    return [data for data in seeds if len(data) <= LARGE] or seeds


def clocked(function):
    """A reader of objects, with a clock that stands, if it takes one."""
    if "timer" in inspect.signature(function).parameters:
        return functools.partial(function, timer=lambda: 1000.0)
    return function


def limited(impl, made):
    """What the limiters of a storage decide that has been read."""
    rates = [impl.limit.Rate(rule.limit, rule.period_ns / 1e9) for rule in made.bound_rules()]
    for name in ("FixedWindow", "SlidingWindow", "SlidingWindowCounter", "LeakyBucket"):
        limiter = getattr(impl.limit, name)
        args = [1, 2.5] if name == "LeakyBucket" else [rates or "3/s"]

        def decide(limiter=limiter, args=args):
            one = limiter(*args, storage=made, timer=lambda: 1000.0)
            return [
                one.allow("key-1"),
                one.hit("key 1", 2),
                one.peek(7),
                one.allow_many([b"", "x"]),
            ]

        yield attempt(decide, allowed=RAISED)


def read_state(cls, way, data):
    """("answer", object, its file) or ("refused", error's name, its words)."""
    path = written(data)
    try:
        if way == "bytes":
            return "answer", clocked(cls.from_bytes)(data), path
        return "answer", clocked(cls.open)(path, way), path
    except REFUSED as error:
        return "refused", type(error).__name__, str(error).replace(str(path), cls.__name__)
    except Exception as error:
        raise Finding(f"{cls}, {way}: {error!r}") from error


def used_state(impl, cls, calls, way, data):
    """The same, with all that the object answers instead of it."""
    outcome, made, path = read_state(cls, way, data)
    if outcome == "refused":
        return outcome, made, path
    if getattr(made, "decay", None):  # it reads the clock
        return outcome, [("repr", repr(made)), ("len", len(made))], b""
    again = made.to_bytes()
    if clocked(cls.from_bytes)(again).to_bytes() != again and way != "r":  # which mends nothing
        raise Finding(f"{cls}, {way}: to_bytes does not come round")
    answers = [("bytes", again)]
    used = use(made, calls)
    if cls.__name__ not in INDEXED:
        answers.extend(used)
    if hasattr(made, "bound_rules"):
        answers.extend(limited(impl, made))
    del made
    return outcome, answers, path.read_bytes()


def state_check(name, ways, calls, data):
    """From bytes, a file mapped for reading, and one for writing: the same in native and pure."""
    told = {}
    for way in ways:
        native, pure = (
            used_state(impl, getattr(impl, name), calls, way, data) for impl in IMPLS.values()
        )
        if native[0] == pure[0] == "answer":
            for ours, theirs in zip(native[1], pure[1], strict=True):
                agree(f"{name}, {way}", ours, theirs)
        agree(f"{name}, {way}", native, pure)
        told[way] = native[:1] if native[0] == "answer" else native
    agree(f"{name}: {', '.join(ways)}", *told.values())
    return signature(told["bytes"])


def state_targets():
    for name in state_classes():
        cls = getattr(fastblocks, name)
        seeds = state_seeds(cls)
        ways = [w for w in ("bytes", "r", "r+") if read_state(cls, w, seeds[-1])[0] == "answer"]
        check = functools.partial(state_check, name, ways, list(calls_of(cls)))
        yield Target(name, seeds, mutators.state, check)


# ---- cells, and texts that name them -------------------------------------------------------------

CELL_SEEDS = {
    "geohash": ["u4pruydqqvj", "s", "zzzzzzzzzzzz", "U4PR", ""],
    "s2": ["89c25c", "1", "X", "47a1cbd595522b39", "89C25C", "0x1"],
    "h3": ["8928308280fffff", "85283473fffffff", "8009fffffffffff", "8f2830828052d25", "0x85"],
}
IDS = {
    "s2": [0x89C25C0000000000, 0x47A1CBD595522B39, 0xB000000000000000],
    "h3": [0x8928308280FFFFF, 0x85283473FFFFFFF, 0x8009FFFFFFFFFFF, 0x8F2830828052D25],
}


def functions_of(grid, first):
    """Names of the functions of a grid that need these arguments and no others."""
    module = getattr(fastblocks.geo, grid)
    for name in module.__all__:
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        if [p.name for p in parameters if p.default is p.empty] in first:
            yield name


def cells_check(grid, names, data, *forms):
    """All functions on one cell: native, pure; a scalar, an array."""
    outcome = ("answer",)
    for name in names:
        native, pure = (getattr(getattr(impl.geo, grid), name) for impl in IMPLS.values())
        for args in forms:
            answers = attempt(native, *args), attempt(pure, *args)
            agree(f"{grid}.{name}{args!r:.200}", *answers)
            outcome = min(outcome, answers[0], key=len) if name == names[0] else outcome
            if answers[0][0] == "refused":
                outcome = answers[0]
    return signature(outcome)


def text_check(grid, names, data):
    text = data.decode("utf-8", "surrogateescape")
    return cells_check(grid, names, data, [text], [np.array([text])], [np.array([data[:64]])])


def id_check(grid, ones, twos, data):
    first, second = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8))
    array = np.array([first], np.uint64)
    told = cells_check(grid, ones, data, [first], [array])
    return told + cells_check(grid, twos, data, [first, second], [array, second])


def cell_targets():
    for grid, texts in CELL_SEEDS.items():
        names = list(functions_of(grid, (["gh"], ["token"], ["text"])))
        check = functools.partial(text_check, grid, names)
        yield Target(f"{grid}-text", [text.encode() for text in texts], mutators.blind, check)
    for grid, ids in IDS.items():
        ones, twos = list(functions_of(grid, (["cell"],))), list(functions_of(grid, (["a", "b"],)))
        seeds = [a.to_bytes(8, "little") + ids[0].to_bytes(8, "little") for a in ids]
        check = functools.partial(id_check, grid, ones, twos)
        yield Target(f"{grid}-id", seeds, mutators.cell, check)


# ---- other readers -------------------------------------------------------------------------------

SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE, [[1, 1], [2, 1], [2, 2], [1, 1]]]}
MANY = {
    "type": "MultiPolygon",
    "coordinates": [[SQUARE], [[[179, 1], [-179, 2], [180, 3], [179, 1]]]],
}
FEATURES = [
    {"type": "Feature", "properties": {"id": 1}, "geometry": shape}
    for shape in (POLYGON, MANY, None)
]
GEOJSON = [POLYGON, MANY, FEATURES[0], {"type": "FeatureCollection", "features": FEATURES}]


def both(what, calls):
    """Ask native and pure each of several things; the signature of the first answer."""
    outcomes = [[attempt(call, impl) for call in calls] for impl in IMPLS.values()]
    for ours, theirs in zip(*outcomes, strict=True):
        agree(what, ours, theirs)
    return signature(outcomes[0][0])


def rates_check(data):
    text = data.decode("utf-8", "surrogateescape")
    names = ("FixedWindow", "SlidingWindow", "SlidingWindowCounter")

    def limiter(name, impl):
        one = getattr(impl.limit, name)(text, storage=impl.limit.Memory(9), timer=lambda: 5.0)
        return [str(rate) for rate in one.storage.bound_rules()], one.allow("a"), one.hit("a")

    calls = [functools.partial(limiter, name) for name in names]
    return both("rates", [*calls, lambda impl: str(impl.limit.Rate.parse(text))])


def geojson_check(data):
    path = written(data, "input.geojson")
    point = 1.5, 1.5

    def fence(impl):
        made = impl.Geofence.from_geojson(path)
        return made.query(*point), made.bounds, made.to_bytes(), made.from_bytes(made.to_bytes())

    calls = [fence]
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(data)
        calls.append(lambda impl: impl.Geofence(value).first(*point))
        calls.append(lambda impl: impl.geo.h3.polygon_to_cells(value, 0))
        calls.append(lambda impl: impl.geo.s2.cover_polygon(value, max_cells=4))
    return both("geojson", calls)


SUFFIXES = [".npy", ".npz", ".csv", ".tsv", ".txt", ".txt.gz", ".csv.gz"]


def trace_seeds():
    """Traces of every form; the first byte of an input tells which it is."""
    import gzip

    keys = np.array([1, 2, 3, 1, 2, 1, 9])
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, keys)
    np.savez_compressed(npz, keys)
    table = b"key\tsize\n1\t5\nb\t6\n"
    files = [npy.getvalue(), npz.getvalue(), b"key\n1\n2\n", table, b"a\nb\n\xff\n"]
    files += [gzip.compress(b"1\n2\n", mtime=0), gzip.compress(b"key\n1\n", mtime=0)]
    return [bytes([i]) + data for i, data in enumerate(files)]


def trace_check(data):
    suffix = SUFFIXES[data[0] % len(SUFFIXES)] if data else ".txt"
    path = written(data[1:], "trace" + suffix)

    def read():
        keys = _curve.read(str(path), None, None)
        return [fastblocks.simulate(keys[:99], 3, policy) for policy in ("lru", "opt")]

    return signature(attempt(read, allowed=SAID))


def plan_check(data):
    def read(text):
        spec = _plan.parse(text)
        if not 0 <= spec.parameters.get("vnodes", 1) <= 1000:
            raise ValueError("too large to try")
        return _plan.ring_of(spec, spec.parameters)

    if b"{" in data or b"[" in data:
        return signature(attempt(read, str(written(data, "plan.json")), allowed=SAID))
    text = data.decode("utf-8", "surrogateescape")
    return signature(attempt(read, text, allowed=SAID))


def address_check(data):
    text = data.decode("latin-1")
    networks = attempt(_http.networks_of, "trusted_proxies", text.split(","))
    return signature(attempt(_http.address_of, text)) + signature(networks)


def shared_seed():
    """A file of limits; its body, nearly all zeros, is cut to a page."""
    path = pathlib.Path(folder().name, "limits")
    with fastblocks.limit.SharedMemory(path, 20, seed=5) as storage:
        fastblocks.FixedWindow("3/s", storage=storage, timer=lambda: 5.0).allow("a")
        data = path.read_bytes()
        storage.unlink()
    return data


def shared_mutate(data, rng, mutate):
    """The head, its checksum made good again, or the body, whose size must not change."""
    size = len(data)
    if rng.randrange(2):
        changed = bytearray(data[: shared.HEAD_BYTES])
        at = 8 * rng.randrange(32)
        changed[at : at + 8] = rng.choice(mutators.WORDS).to_bytes(8, "little")
        changed[256:264] = shared.checksum(bytes(changed[:256]))
        return bytes(changed) + data[shared.HEAD_BYTES :]
    body = bytearray(data[shared.HEAD_BYTES :])
    for _ in range(rng.randint(1, 6)):
        at = 8 * rng.randrange(max(len(body) // 8, 1))
        body[at : at + 8] = rng.choice(mutators.WORDS).to_bytes(8, "little")
    return (data[: shared.HEAD_BYTES] + bytes(body))[:size]


def shared_check(data):
    path = written(data, "limits")

    def decide():
        with fastblocks.limit.SharedMemory(path, 20) as storage:
            limiter = fastblocks.FixedWindow("3/s", storage=storage, timer=lambda: 5.0)
            return [limiter.allow(key) for key in ("a", "b", 7)], limiter.top_denied(3)

    try:
        return signature(attempt(decide, allowed=SAID))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def reader_targets():
    rates = [b"100/minute", b"7/2second; 9/h", b" 3 / s", b"4294967295/100day", b"1/0s", b"\xb2/s"]
    yield Target("rates", rates, mutators.blind, rates_check)
    geojson = [json.dumps(value).encode() for value in GEOJSON]
    yield Target("geojson", geojson, mutators.jsons, geojson_check)
    yield Target("cache-trace", trace_seeds(), mutators.blind, trace_check)
    plans = [
        b"a,b=2,c",
        b'["a", "b"]',
        b'{"nodes": ["a"], "weights": {"a": 2}, "vnodes": 9, "seed": 1}',
    ]
    yield Target("ring-plan", plans, mutators.jsons, plan_check)
    addresses = [b"10.0.0.1:80", b"[2001:db8::1%eth0]:443", b"::ffff:10.0.0.1", b"10.0.0.0/8,::/0"]
    yield Target("addresses", addresses, mutators.blind, address_check)
    if os.name == "posix":
        yield Target("shared-limits", [shared_seed()], shared_mutate, shared_check)


@functools.cache
def targets():
    """All of them, by name."""
    found = [*state_targets(), *cell_targets(), *reader_targets()]
    return {target.name: target for target in found}
