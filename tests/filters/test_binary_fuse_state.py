"""BinaryFuseFilter as bytes and files: round trips, damage of every kind."""

import pathlib

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import readers, refuses_damage, repaired, resealed

N = 50


@pytest.fixture(params=[8, 16, 32])
def saved(impl, request, tmp_path):
    """A filter of 50 keys and the file it was saved to."""
    f = impl.BinaryFuseFilter(range(N), request.param, seed=3)
    path = tmp_path / "keys.fuse"
    f.save(path)
    return f, path


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.BinaryFuseFilter, saved[0].to_bytes(), tmp_path, ("r",))


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        *(
            (at, value, 8, "parameters contradict")
            for at, values in {
                32: [97, 2**31, 2**31 + 1, 2**64 - 1],  # keys: more than cells
                40: [0, 1, 12, 24, 64, 2**32 + 8, 2**32 + 16, 2**32 + 32, 2**64 - 1],  # bits
                56: [0, 1, 2, 4, 6, 19, 60, 63, 64, 2**32 + 5, 2**64 - 1],  # log_length
                64: [0, 2, 3, 5, 2**32 - 3, 2**32 - 2, 2**32 - 1, 2**32 + 1, 2**59 + 1, 2**64 - 1],
                72: [100, 2**32, 2**64 - 1],  # attempt
                80: [1],  # unused
                112: [1],
            }.items()
            for value in values
        ),
    ],
)
def test_hostile_parameters_are_refused(impl, tmp_path, at, value, size, message):
    """Checksums good, contents impossible: what an attacker would send."""
    f = impl.BinaryFuseFilter(range(N), 16, seed=3)
    assert f.nbytes == 2 * 3 * 32  # log_length 5, n_segments 1
    data = resealed(f.to_bytes(), at, value, size)
    for read in readers(impl.BinaryFuseFilter, tmp_path, ("r",)):
        with pytest.raises(ValueError, match=message):
            read(data)


@pytest.mark.parametrize("log_length", [3, 5, 18])
@pytest.mark.parametrize("segments", [1, 3])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_other_shapes_that_fit_their_payload_are_read(log_length, segments, bits):
    """As a later version, that sizes differently, could write; no lookup leaves the payload."""
    data = fastblocks.BinaryFuseFilter(range(5)).to_bytes()
    for at, value in {40: bits, 56: log_length, 64: segments}.items():
        data = resealed(data, at, value)
    size = (segments + 2 << log_length) * bits // 8
    payload = np.random.default_rng(0).bytes(min(size, 1 << 16)).ljust(size, b"\xa5")
    f = fastblocks.BinaryFuseFilter.from_bytes(repaired(data, payload))
    assert f.nbytes == size
    probes = np.arange(3000)
    assert f.contains_many(probes).tolist() == [key in f for key in probes.tolist()]
    twin = fastblocks.pure.BinaryFuseFilter.from_bytes(f.to_bytes())
    assert twin.contains_many(probes[:300]).tolist() == f.contains_many(probes[:300]).tolist()
    assert f.copy() == f
    assert f != fastblocks.BinaryFuseFilter(range(5))


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x5a"])
def test_hostile_contents_give_wrong_answers_and_nothing_worse(impl, saved, fill):
    f = saved[0]
    g = impl.BinaryFuseFilter.from_bytes(repaired(f.to_bytes(), fill * f.nbytes))
    assert len(g) == N
    assert g != f
    assert g.contains_many(range(1000)).tolist() == [key in g for key in range(1000)]


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.BinaryFuseFilter.from_bytes(data)


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "binary_fuse_v1.bin"
    expected = fastblocks.BinaryFuseFilter(["a", b"\xff", 5, -5, "ü", *range(100)], 16, seed=11)
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        f = impl.BinaryFuseFilter.from_bytes(data)
        assert f.to_bytes() == data
        assert f.contains_many(["a", b"\xff", 5, -5, "ü", 99]).all()


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, saved):
    f, path = saved
    for other in (impl, fastblocks, fastblocks.pure):
        g = other.BinaryFuseFilter.open(path)
        assert type(g) is other.BinaryFuseFilter
        assert repr(g) == repr(f)
        assert g.to_bytes() == f.to_bytes() == path.read_bytes()
        assert g.contains_many(range(N)).all()
        assert g.copy() == g
        g.flush()


def test_a_file_cannot_be_opened_for_changes(impl, saved):
    f, path = saved
    with pytest.raises(ValueError, match="mode must be 'r', not 'r\\+': a BinaryFuseFilter cannot"):
        impl.BinaryFuseFilter.open(path, "r+")
    with pytest.raises(ValueError, match="mode must be 'r' or 'r\\+', not 'w'"):
        impl.BinaryFuseFilter.open(path, "w")
    assert path.read_bytes() == f.to_bytes()


def test_verify_false_skips_the_payload_only(impl, saved):
    path = saved[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"keys\.fuse: corrupt"):
        impl.BinaryFuseFilter.open(path)
    assert len(impl.BinaryFuseFilter.open(path, verify=False)) == N
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"keys\.fuse: corrupt"):
        impl.BinaryFuseFilter.open(path, verify=False)


def test_a_saved_file_replaces_the_old_one(impl, saved):
    f, path = saved
    old = impl.BinaryFuseFilter.open(path)
    impl.BinaryFuseFilter(range(7), f.bits).save(path)
    assert len(impl.BinaryFuseFilter.open(path)) == 7
    assert old == f  # still the old file
    with pytest.raises(FileNotFoundError):
        impl.BinaryFuseFilter.open(path.with_name("missing"))
