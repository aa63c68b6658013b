"""CountingBloomFilter as bytes and files: round trips, damage, maps with one writer."""

import io
import pathlib
import random

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, readers, refuses_damage, repaired, resealed


@pytest.fixture
def saved(impl, tmp_path):
    """A filter of 20 keys and the file it was saved to."""
    f = impl.CountingBloomFilter(20, 0.01, seed=3)
    f.update(range(20), range(5))
    path = tmp_path / "seen.counts"
    f.save(path)
    return f, path


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.CountingBloomFilter, saved[0].to_bytes(), tmp_path)


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        (32, 0, 8, "parameters contradict"),  # capacity
        (32, 2**63, 8, "parameters contradict"),
        (40, 0x7FF8_0000_0000_0000, 8, "parameters contradict"),  # fp_rate: nan
        (40, 0x3FF0_0000_0000_0000, 8, "parameters contradict"),  # 1.0
        (56, 0, 8, "parameters contradict"),  # blocks
        (56, 2**60, 8, "parameters contradict"),
        (56, 2**64 - 1, 8, "parameters contradict"),
        (64, 0, 8, "parameters contradict"),  # lanes
        (64, 5, 8, "parameters contradict"),
        (64, 16, 8, "parameters contradict"),
        (64, 2**32 + 8, 8, "parameters contradict"),
        (72, 1, 8, "parameters contradict"),  # unused
        (112, 1, 8, "parameters contradict"),
    ],
)
def test_hostile_parameters_are_refused(impl, saved, tmp_path, at, value, size, message):
    """Checksums good, contents impossible: what an attacker would send."""
    data = resealed(saved[0].to_bytes(), at, value, size)
    for read in readers(impl.CountingBloomFilter, tmp_path):
        with pytest.raises(ValueError, match=message):
            read(data)


def test_payload_of_another_size_is_refused(impl, saved, tmp_path):
    data = saved[0].to_bytes()
    for change in (-64, -8, 8, 64):
        payload = (data[HEADER:] + bytes(64))[: len(data) - HEADER + change]
        for read in readers(impl.CountingBloomFilter, tmp_path):
            with pytest.raises(ValueError, match="parameters contradict"):
                read(repaired(data, payload))


def test_any_counters_are_a_filter(saved):
    """Hostile contents: every value of a counter is valid, and native and pure agree on it."""
    data, rng = saved[0].to_bytes(), random.Random(3)
    n = len(data) - HEADER
    for payload in (b"\xff" * n, b"\x0f" * n, b"\x1e" * n, *(rng.randbytes(n) for _ in range(20))):
        hostile = repaired(data, payload)
        native, pure = (
            m.CountingBloomFilter.from_bytes(hostile) for m in (fastblocks, fastblocks.pure)
        )
        assert native.estimate_many(range(99)).tolist() == pure.estimate_many(range(99)).tolist()
        assert (native | native).to_bytes() == (pure | pure).to_bytes()
        for f in (native, pure):
            f.add_many(range(50))
        assert native.remove_many(range(99)).tolist() == pure.remove_many(range(99)).tolist()
        assert native.to_bytes() == pure.to_bytes()
        assert native.approx_len() == pure.approx_len()


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.CountingBloomFilter.from_bytes(data)


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "counting_bloom_v1.bin"
    expected = fastblocks.CountingBloomFilter(20, 0.03, seed=11)
    expected.update(["a", b"\xff", 5, -5, "ü", *range(40)], ["a"] * 20)
    expected.remove_many(range(10, 40))
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        assert impl.CountingBloomFilter.from_bytes(data).to_bytes() == data


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, saved):
    f, path = saved
    for name in (path, str(path)):
        g = impl.CountingBloomFilter.open(name)
        assert type(g) is impl.CountingBloomFilter
        assert g == f
        assert repr(g) == repr(f)
        assert g.to_bytes() == f.to_bytes() == path.read_bytes()
        assert g.contains_many(range(20)).all()


def test_native_and_pure_open_each_others_files(saved):
    f, path = saved
    assert fastblocks.CountingBloomFilter.open(path).to_bytes() == f.to_bytes()
    assert fastblocks.pure.CountingBloomFilter.open(path).to_bytes() == f.to_bytes()


def test_read_only_map_refuses_changes(impl, saved):
    f, path = saved
    g = impl.CountingBloomFilter.open(path)
    changes = {
        "add": lambda: g.add("x"),
        "remove": lambda: g.remove(1),
        "add_many": lambda: g.add_many(["x"] * 1000),
        "remove_many": lambda: g.remove_many([1]),
        "merge": lambda: g.merge(f),
        "clear": g.clear,
    }
    for method, change in changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: .*mapped read-only"):
            change()
    for change in (lambda: g.update(["x"]), lambda: g.__ior__(f)):
        with pytest.raises((OSError, ValueError)):
            change()
    g.flush()
    assert path.read_bytes() == f.to_bytes()
    assert g == f


def test_copies_of_a_map_are_writable_and_apart(impl, saved):
    f, path = saved
    g = impl.CountingBloomFilter.open(path).copy()
    assert g.remove(1)
    assert path.read_bytes() == f.to_bytes()


def test_writable_map_changes_the_file(impl, saved):
    f, path = saved
    g = impl.CountingBloomFilter.open(path, mode="r+")
    for x in (f, g):
        x.add("x")
        x.add_many(np.arange(1000, 1600))
        assert x.remove(3)
        assert x.remove_many(np.arange(1000, 1550)).all()
    g.flush()
    assert path.read_bytes()[HEADER:] == f.to_bytes()[HEADER:]
    reader = impl.CountingBloomFilter.open(path)
    assert reader == f == g
    assert reader.to_bytes() == f.to_bytes()  # sealed anew
    g.add("y")
    assert "y" in reader  # one memory
    g.clear()
    assert not reader
    g |= f
    assert reader == f


def test_one_writer_at_a_time(impl, saved):
    path = saved[1]
    writer = impl.CountingBloomFilter.open(path, "r+")
    for other in (fastblocks, fastblocks.pure):
        with pytest.raises(BlockingIOError, match="only one writer is allowed"):
            other.CountingBloomFilter.open(path, "r+")
        other.CountingBloomFilter.open(path)
    del writer
    impl.CountingBloomFilter.open(path, "r+").add("x")


def test_verify_false_skips_the_payload_only(impl, saved):
    path = saved[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"seen\.counts: corrupt"):
        impl.CountingBloomFilter.open(path)
    assert impl.CountingBloomFilter.open(path, verify=False).capacity == 20
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"seen\.counts: corrupt"):
        impl.CountingBloomFilter.open(path, verify=False)


@pytest.mark.parametrize("mode", ["w", "rb", "", None])
def test_open_in_another_mode(impl, saved, mode):
    with pytest.raises(ValueError, match=r"mode must be 'r' or 'r\+', not"):
        impl.CountingBloomFilter.open(saved[1], mode)


def test_files_of_another_class(impl, tmp_path):
    impl.BloomFilter(20).save(tmp_path / "bloom")
    with pytest.raises(ValueError, match="bloom: the bytes of another class"):
        impl.CountingBloomFilter.open(tmp_path / "bloom")
