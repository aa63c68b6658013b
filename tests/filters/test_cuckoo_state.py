"""CuckooFilter as bytes and files: damage, hostile contents, maps that one process writes to."""

import contextlib
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

HEAD = 64  # bytes in front of the slots
KEYS = range(50)


@pytest.fixture
def held(impl):
    """A filter of 50 keys."""
    f = impl.CuckooFilter(50, 0.01, seed=3)
    f.update(KEYS)
    return f


@pytest.fixture
def path(held, tmp_path):
    """The file it is saved to."""
    path = tmp_path / "seen.cuckoo"
    held.save(path)
    return path


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, held, tmp_path):
    refuses_damage(impl.CuckooFilter, held.to_bytes(), tmp_path)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        *((32, capacity) for capacity in (0, 2**63, 2**64 - 1)),
        *((40, rate) for rate in (0, 0x7FF8 << 48, 0x3FF0 << 48, 0x3E70 << 48)),
        *((56, buckets) for buckets in (0, 29, 31, 32, 2**32 + 2, 2**64 - 2)),
        *((64, bits) for bits in (0, 7, 8, 10, 28, 64, 2**32 + 10, 2**64 - 1)),
        *((at, 1) for at in range(72, 120, 8)),
    ],
)
def test_hostile_parameters_are_refused(impl, held, tmp_path, at, value):
    """Checksums good, contents impossible: what an attacker would send."""
    data = resealed(held.to_bytes(), at, value)
    for read in readers(impl.CuckooFilter, tmp_path):
        with pytest.raises(ValueError, match="corrupt: its parameters contradict each other"):
            read(data)


@pytest.mark.parametrize("at", [7, *range(16, HEAD), *range(-9, 0)])
def test_bits_that_no_filter_has_are_refused(impl, held, tmp_path, at):
    """A length above all bounds; zeros of the head; what is behind the 120 slots of 9 bits."""
    data = held.to_bytes()
    payload = bytearray(data[HEADER:])
    assert len(payload) == HEAD + 120 * 9 // 8 + 1 + 8
    payload[at] = 1
    for read in readers(impl.CuckooFilter, tmp_path):
        with pytest.raises(ValueError, match="corrupt: its parameters contradict each other"):
            read(repaired(data, bytes(payload)))


@pytest.mark.parametrize("fp_rate", [0.5, 0.01, 1e-4, 1e-7])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_any_slots_are_a_filter(fp_rate, share):
    """Whatever fingerprints lie there, nothing goes wrong, and native and pure agree."""
    data = fastblocks.CuckooFilter(100, fp_rate).to_bytes()
    used = 4 * data[56] * data[64] // 8
    noise = np.random.default_rng(1).bytes(int(share * used))
    payload = (bytes(HEAD) + noise).ljust(len(data) - HEADER, b"\0")
    hostile = repaired(data, payload)
    native, pure = (m.CuckooFilter.from_bytes(hostile) for m in (fastblocks, fastblocks.pure))
    assert len(native) == len(pure) > 4 * data[56] * 0.9 * share
    for f in (native, pure):
        assert f == f.copy()
        for key in range(60):
            with contextlib.suppress(fastblocks.FilterFullError):
                f.add(key)
                assert key in f
            f.remove(key + 7)
        f.contains_many(range(1000))
    assert native.to_bytes() == pure.to_bytes()


def test_a_wrong_length_is_set_right(impl, held, tmp_path):
    """As after a writer was killed between an entry and its count."""
    data = held.to_bytes()
    for wrong in (0, 49, 51):
        changed = repaired(data, wrong.to_bytes(8, "little") + data[HEADER + 8 :])
        read, read_only, read_write = readers(impl.CuckooFilter, tmp_path)
        assert len(read(changed)) == 50
        assert read(changed) == held
        assert len(read_only(changed)) == wrong  # it may not write
        assert read_only(changed).copy() == held
        assert len(read_write(changed)) == 50


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "cuckoo_v1.bin"
    expected = fastblocks.CuckooFilter(20, 0.03, seed=11)
    expected.update(["a", b"\xff", 5, -5, "ü"], range(100, 115))
    expected.remove(5)
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        assert impl.CuckooFilter.from_bytes(data).to_bytes() == data


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, held, path):
    for cls in (fastblocks.CuckooFilter, fastblocks.pure.CuckooFilter):
        g = cls.open(path)
        assert repr(g) == repr(held)
        assert g.to_bytes() == held.to_bytes() == path.read_bytes()
        assert g.contains_many(KEYS).all()
        assert len(g) == 50
    assert impl.CuckooFilter.open(str(path), verify=False) == held


def test_read_only_map_refuses_changes(impl, held, path):
    g = impl.CuckooFilter.open(path)
    changes = {
        "add": lambda: g.add("x"),
        "remove": lambda: g.remove(1),
        "add_many": lambda: g.add_many(["x"] * 1000),
        "remove_many": lambda: g.remove_many(KEYS),
        "merge": lambda: g.merge(held),
        "clear": g.clear,
    }
    for method, change in changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: .*mapped read-only"):
            change()
    for change in (lambda: g.update(["x"]), lambda: g.__ior__(held)):
        with pytest.raises(io.UnsupportedOperation):
            change()
    g.flush()
    assert path.read_bytes() == held.to_bytes()
    h = g.copy()
    h.add("x")
    assert len(g | h) == 101
    assert path.read_bytes() == held.to_bytes()


def test_writable_map_changes_the_file(impl, held, path):
    g = impl.CuckooFilter.open(path, "r+")
    reader = impl.CuckooFilter.open(path)
    for f in (g, held):
        f.add("x")
        f.remove_many(range(10))
        f.add_many(np.arange(1000, 1012))
    g.flush()
    assert path.read_bytes()[HEADER:] == held.to_bytes()[HEADER:]
    assert reader == held == g
    assert len(reader) == len(held) == 53
    assert reader.to_bytes() == held.to_bytes()  # sealed anew
    g.clear()
    assert not reader
    g |= held
    assert reader == held


def test_one_writer_at_a_time(impl, path):
    g = impl.CuckooFilter.open(path, "r+")
    with pytest.raises(BlockingIOError, match="only one writer is allowed"):
        impl.CuckooFilter.open(path, "r+")
    g.add("x")
    del g
    assert "x" in impl.CuckooFilter.open(path, "r+")


WRITER = """
import sys
from fastblocks import CuckooFilter
shared = CuckooFilter.open(sys.argv[1], "r+")
print("ready", flush=True)
first = 1 << 30
while True:
    keys = range(first, first + 60)
    shared.add_many(keys)
    shared.remove_many(keys)
    first += 60
"""


def test_readers_of_another_process_miss_nothing_and_a_killed_writer_loses_nothing(tmp_path):
    path = tmp_path / "shared"
    f = fastblocks.CuckooFilter(1000, 1e-4)
    stay = np.arange(940)
    f.add_many(stay)
    f.save(path)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline() == "ready\n"
        reader = fastblocks.CuckooFilter.open(path, verify=False)
        for _ in range(20_000):
            assert reader.contains_many(stay).all()
        assert all(key in reader for key in stay.tolist())
        for _ in range(200):
            with contextlib.suppress(RuntimeError):  # "another process keeps changing the file"
                assert reader.copy().contains_many(stay).all()
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    after = fastblocks.CuckooFilter.open(path, "r+")
    assert after.contains_many(stay).all()
    assert 940 <= len(after) <= 1001
    assert after.remove_many(stay).all()


def test_a_copy_of_what_keeps_changing_is_refused(impl, path, monkeypatch):
    """The pure twin's check, as the native one's cannot be made to fail on purpose."""
    g = fastblocks.pure.CuckooFilter.open(path, "r+")
    original = fastblocks.pure._flat.Flat._gather

    def disturbed(self):
        data = original(self)
        self._moved()
        return data

    monkeypatch.setattr(fastblocks.pure._flat.Flat, "_gather", disturbed)
    with pytest.raises(RuntimeError, match="another process keeps changing the file; try again"):
        g.copy()
