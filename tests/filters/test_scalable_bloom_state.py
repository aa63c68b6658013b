"""ScalableBloomFilter as bytes and files: damage, hostile tables, maps that cannot grow."""

import io
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

LIMIT = 1 << 56  # of keys in a slice


def made(impl, n=50, **kwargs):
    f = impl.ScalableBloomFilter(10, 1e-3, seed=3, **kwargs)
    f.update(range(n))
    return f


@pytest.fixture
def saved(impl, tmp_path):
    """A filter of 50 keys, in three slices with room for 20 more, and the file it was saved to."""
    f = made(impl)
    path = tmp_path / "seen.sbf"
    f.save(path)
    return f, path


def payload_of(*entries, bits=0, head=b"", pad=b""):
    """A payload of slices of (level, blocks, lanes, count), every byte of whose bits is `bits`."""

    def padded(data):
        return data + pad[: -len(data) % 64] + bytes((-len(data) - len(pad)) % 64)

    table = b"".join(struct.pack("<4Q", *(x % 2**64 for x in entry)) for entry in entries)
    slices = b"".join(
        padded(bytes([bits]) * (entry[1] % 2**64 * (entry[2] % 2**64) * 4 % 2**20))
        for entry in entries
    )
    return struct.pack("<Q56s", len(entries), head) + padded(table) + slices


def with_slices(f, *entries, **kwargs):
    """A filter with the parameters of `f` and these slices."""
    return type(f).from_bytes(repaired(f.to_bytes(), payload_of(*entries, **kwargs)))


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.ScalableBloomFilter, saved[0].to_bytes(), tmp_path)


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 0, 8, "more bytes"),
        (32, 0, 8, "parameters contradict"),  # initial capacity
        (32, 2**63, 8, "parameters contradict"),
        (32, LIMIT // 2, 8, "parameters contradict"),
        (40, 0x7FF8_0000_0000_0000, 8, "parameters contradict"),  # fp_rate: nan
        (40, 0x3FF0_0000_0000_0000, 8, "parameters contradict"),  # 1.0
        (40, 0x3E11_2E0B_E826_D695, 8, "parameters contradict"),  # 1e-9
        (56, 1, 8, "parameters contradict"),  # unused
        (112, 1, 8, "parameters contradict"),
    ],
)
def test_hostile_parameters_are_refused(impl, saved, tmp_path, at, value, size, message):
    data = resealed(saved[0].to_bytes(), at, value, size)
    for read in readers(impl.ScalableBloomFilter, tmp_path):
        with pytest.raises(ValueError, match=message):
            read(data)


GOOD = (0, 3, 8, 10)  # level, blocks, lanes, count


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(64),
        payload_of(GOOD)[:-64],
        payload_of(GOOD) + bytes(64),
        payload_of(GOOD) + bytes(8),
        payload_of(GOOD, head=b"\1"),
        payload_of(GOOD, head=bytes(55) + b"\1"),
        payload_of(GOOD, pad=b"\1"),
        payload_of(*[GOOD] * 65),
        struct.pack("<Q", 2**63) + payload_of(GOOD)[8:],
        struct.pack("<Q", 64) + payload_of(GOOD)[8:],
        struct.pack("<Q", 2) + payload_of(GOOD)[8:],
        payload_of((1, 3, 8, 10)),
        payload_of(GOOD, (32, 3, 8, 10)),
        payload_of(GOOD, (2**64 - 1, 3, 8, 10)),
        payload_of(GOOD, (64, 3, 8, 10)),
        payload_of((0, 0, 8, 0)),
        payload_of((0, 2**32 + 1, 8, 10)),
        payload_of((0, 2**62, 4, 10)),
        payload_of((0, 2**60, 16, 10)),
        payload_of((0, -1, 8, 10)),
        payload_of((0, 3, 0, 10)),
        payload_of((0, 3, 5, 10)),
        payload_of((0, 3, 32, 10)),
        payload_of((0, 3, 2**32 + 8, 10)),
        payload_of((0, 3, 8, 11)),
        payload_of((0, 3, 8, -1)),
        payload_of(GOOD, (1, 3, 8, 21)),
        payload_of(GOOD, (1, 100, 8, 20))[:-64],
    ],
)
def test_hostile_payloads_are_refused(impl, saved, tmp_path, payload):
    data = repaired(saved[0].to_bytes(), payload)
    for read in readers(impl.ScalableBloomFilter, tmp_path):
        with pytest.raises(ValueError, match="corrupt: its parameters contradict each other"):
            read(data)


@pytest.mark.parametrize("bits", [0, 0xFF, 0x5A])
@pytest.mark.parametrize(
    "entries",
    [
        [GOOD],
        [(0, 1, 4, 0)],
        [(0, 3, 8, 0), (0, 7, 16, 3), (31, 1, 4, 10 << 31), (5, 1, 8, 0)],
        [GOOD] * 64,
    ],
)
def test_odd_tables_are_used_as_they_are(bits, entries):
    """Nothing that is accepted can make a later call fail, and both answer alike."""
    both = [with_slices(made(m), *entries, bits=bits) for m in (fastblocks, fastblocks.pure)]
    outcomes = []
    for f in both:
        seen = [f.slices, f.capacity, f.approx_len(), f.fill_ratio, f.contains_many([1]).tolist()]
        for step in (
            lambda f=f: f.add("x"),
            lambda f=f: f.add_many(range(40)),
            lambda f=f: f.merge(made(sys.modules[type(f).__module__.split(".filters")[0]])),
            lambda f=f: f.merge(f.copy()),
            f.clear,
            lambda f=f: f.add_many(range(20)),
        ):
            try:
                step()
            except RuntimeError as error:
                seen.append(str(error))
            seen.append(f.to_bytes())
        outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "scalable_bloom_v1.bin"
    expected = fastblocks.ScalableBloomFilter(2, 0.03, seed=11)
    expected.update(["a", b"\xff", 5, -5, "ü", "b", "c"])
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        assert impl.ScalableBloomFilter.from_bytes(data).to_bytes() == data


# ---- where growth ends -------------------------------------------------------------------------


def refused(f, error, match):
    """Whatever needs a new slice raises and changes nothing."""
    before = f.to_bytes()
    for change in (lambda: f.add("x"), lambda: f.add_many(["x"]), lambda: f.update(range(1000))):
        with pytest.raises(error, match=match):
            change()
        assert f.to_bytes() == before


def test_the_last_level(impl):
    """Tables made by hand, since nobody adds a few billion keys in a test."""
    f = impl.ScalableBloomFilter(1)
    f = with_slices(f, (0, 1, 4, 1), (31, 1, 4, (1 << 31) - 1))
    f.add("y")
    refused(f, impl.FilterFullError, "^ScalableBloomFilter cannot grow: full: no room for another")
    f.add("y")
    f.add_many(["y"] * 1000)
    assert f.approx_len() == (1 << 31) + 1


def test_a_batch_must_fit_as_a_whole(impl):
    f = with_slices(impl.ScalableBloomFilter(1), (0, 1, 4, 1), (31, 1, 4, (1 << 31) - 2))
    before = f.to_bytes()
    for keys in (["a", "b", "c"], ["a"] * 3):  # those that come twice count twice
        with pytest.raises(impl.FilterFullError):
            f.add_many(keys)
        assert f.to_bytes() == before
    f.add_many(["a", "a"])
    f.add_many(["a", "a", "b"])
    assert "b" in f


@pytest.mark.parametrize("initial", [1 << 50, LIMIT, 1 << 40])
def test_slices_too_large(impl, initial):
    data = resealed(impl.ScalableBloomFilter(1).to_bytes(), 32, initial)
    data = repaired(data, payload_of((0, 1, 4, initial)))
    f = impl.ScalableBloomFilter.from_bytes(data)
    refused(f, ValueError, "^ScalableBloomFilter cannot grow: parameters are too large")


NO_MEMORY = """
import resource, sys
import fastblocks, fastblocks.pure
impl = fastblocks if sys.argv[1] == "fastblocks" else fastblocks.pure
f = impl.ScalableBloomFilter.open(sys.argv[2])
f, other, before = f.copy(), f.copy(), f.to_bytes()
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for keys in (["x"], ["x"] * 1000):
    try:
        f.update(keys)
    except MemoryError:
        assert f.to_bytes() == before
        f.merge(other)
        assert f.slices == 2
        f = other.copy()
    else:
        raise AssertionError("memory for 2**29 keys")
"""


def test_not_enough_memory(impl, tmp_path):
    data = resealed(impl.ScalableBloomFilter(1).to_bytes(), 32, 1 << 28)
    path = tmp_path / "large"
    path.write_bytes(repaired(data, payload_of((0, 1, 4, 1 << 28))))
    command = [sys.executable, "-c", NO_MEMORY, impl.__name__, path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, saved):
    f, path = saved
    for m in (fastblocks, fastblocks.pure):
        g = m.ScalableBloomFilter.open(path)
        assert repr(g) == repr(f)
        assert (g.slices, g.capacity, g.approx_len()) == (f.slices, f.capacity, f.approx_len())
        assert g.to_bytes() == f.to_bytes() == path.read_bytes()
        assert g.contains_many(range(50)).all()
        assert all(key in g for key in range(50))
        assert g.nbytes == path.stat().st_size - HEADER
    assert impl.ScalableBloomFilter.open(path) == f
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"seen\.sbf: corrupt"):
        impl.ScalableBloomFilter.open(path)


def test_read_only_map_refuses_changes(impl, saved):
    f, path = saved
    g = impl.ScalableBloomFilter.open(path)
    changes = {
        "add": lambda: g.add("x"),
        "add_many": lambda: g.add_many(["x"] * 1000),
        "merge": lambda: g.merge(f),
        "clear": g.clear,
    }
    for method, change in changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: .*mapped read-only"):
            change()
    for change in (lambda: g.update(["x"]), lambda: g.__ior__(f)):
        with pytest.raises(io.UnsupportedOperation):
            change()
    g.flush()
    assert path.read_bytes() == f.to_bytes()
    assert g == f


def test_writable_map_fills_up_but_does_not_grow(impl, saved):
    f, path = saved
    size = path.stat().st_size
    g = impl.ScalableBloomFilter.open(path, "r+")
    reader = impl.ScalableBloomFilter.open(path)
    g.add("x")
    g.add_many(np.arange(100, 118))
    f.add("x")
    f.add_many(np.arange(100, 118))
    assert g == f == reader
    assert "x" in reader
    assert g.capacity - g.approx_len() == 1
    before = path.read_bytes()
    cannot = "a mapped file cannot grow; add to its copy.. and save that: full"
    for keys in (["y", "z"], ["y", "y"], range(1000, 2000)):
        with pytest.raises(impl.FilterFullError, match=cannot):
            g.add_many(keys)
        assert path.read_bytes() == before
    g.add_many(["y", "x"])
    for change in (lambda: g.add("z"), lambda: g.update(["z"]), lambda: g.merge(made(impl))):
        with pytest.raises(impl.FilterFullError, match=cannot):
            change()
    g.add("y")
    g.add_many(["y"] * 1000)
    g.flush()
    f.add("y")
    assert path.read_bytes()[HEADER:] == f.to_bytes()[HEADER:]
    assert path.stat().st_size == size
    bigger = g.copy()
    bigger.add("z")
    bigger.save(path)
    assert path.stat().st_size > size
    assert "z" in impl.ScalableBloomFilter.open(path)


def test_merging_into_a_map_takes_room_there(impl, saved):
    f, path = saved
    g = impl.ScalableBloomFilter.open(path, "r+")
    g.clear()
    g.merge(made(impl, 30))
    assert g.contains_many(range(30)).all()
    assert g.approx_len() == 30
    assert impl.ScalableBloomFilter.open(path) == g
    other = impl.ScalableBloomFilter.open(path)
    with pytest.raises(impl.FilterFullError, match="a mapped file cannot grow"):
        g.merge(other, made(impl, 50), f)
    assert g.approx_len() == 30


def test_clearing_a_map_keeps_its_slices(impl, saved):
    f, path = saved
    g = impl.ScalableBloomFilter.open(path, "r+")
    g.clear()
    assert not g
    assert (g.slices, g.capacity, g.fill_ratio) == (f.slices, f.capacity, 0.0)
    g.add_many(range(f.capacity))
    assert g.approx_len() == g.capacity
    with pytest.raises(impl.FilterFullError):
        g.add("x")
    assert g.contains_many(range(f.capacity)).all()
    h = g.copy()
    h.clear()
    assert h == impl.ScalableBloomFilter(10, 1e-3, seed=3)


def test_native_and_pure_fill_a_map_alike(tmp_path):
    contents = []
    for m in (fastblocks, fastblocks.pure):
        path = tmp_path / m.__name__
        made(m, 100).save(path)
        g = m.ScalableBloomFilter.open(path, "r+")
        g.clear()
        g.add_many(range(70))
        g.add("x")
        g.merge(made(m, 3))
        g.add_many(range(200, 250))
        g.flush()
        contents.append(path.read_bytes())
        with pytest.raises(BlockingIOError):
            m.ScalableBloomFilter.open(path, "r+")
    assert contents[0] == contents[1]


def test_copies_of_a_map_grow_and_are_apart(impl, saved):
    f, path = saved
    g = impl.ScalableBloomFilter.open(path).copy()
    g.add_many(range(1000))
    assert g.slices > f.slices
    assert path.read_bytes() == f.to_bytes()
