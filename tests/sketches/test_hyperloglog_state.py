"""HyperLogLog as bytes and files: round trips, damage of every kind, maps shared by processes."""

import contextlib
import io
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, PARAMS_AT, readers, refuses_damage, repaired, resealed

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
ESTIMATES = [
    "0x1.d799c7577df27p+2",
    "0x1.400006400029bp+5",
    "0x1.8e429fa268d5dp+8",
    "0x1.348d7994ddbadp+12",
]
FEW, MANY = 41, 500  # sparse and dense at p=8


def filled(impl, n, p=8):
    result = impl.HyperLogLog(p, seed=3)
    result.add_many(range(n))
    return result


@pytest.fixture(params=[FEW, MANY], ids=["sparse", "dense"])
def saved(request, impl, tmp_path):
    """A sketch and the file it was saved to."""
    s = filled(impl, request.param)
    path = tmp_path / "seen.hll"
    s.save(path)
    return s, path


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.HyperLogLog, saved[0].to_bytes(), tmp_path)


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        (PARAMS_AT, 0, 8, "parameters contradict"),  # p
        (PARAMS_AT, 3, 8, "parameters contradict"),
        (PARAMS_AT, 7, 8, "parameters contradict"),
        (PARAMS_AT, 19, 8, "parameters contradict"),
        (PARAMS_AT, 2**32 + 8, 8, "parameters contradict"),
        (PARAMS_AT, 2**64 - 1, 8, "parameters contradict"),
        (PARAMS_AT + 16, 1, 8, "parameters contradict"),  # unused
        (112, 1, 8, "parameters contradict"),
    ],
)
def test_hostile_parameters_are_refused(impl, saved, tmp_path, at, value, size, message):
    """Checksums good, contents impossible: what an attacker would send."""
    data = resealed(saved[0].to_bytes(), at, value, size)
    for read in readers(impl.HyperLogLog, tmp_path):
        with pytest.raises(ValueError, match=message):
            read(data)


def entries(*pairs):
    words = [index << 6 | rank for index, rank in pairs]
    return struct.pack(f"<{len(words)}I", *words)


@pytest.mark.parametrize(
    "payload",
    [
        bytes(8 * 25),  # sizes between those of the two forms
        bytes(252),
        bytes(264),
        bytes(512),
        bytes(4),
        bytes([0] * 255 + [58]),  # a rank above 57, dense
        bytes([255] * 256),
        entries((1, 0), (2, 1)),
        entries((1, 1), (2, 40)),
        entries((1, 63), (2, 1)),
        entries((2, 1), (1, 1)),
        entries((1, 1), (1, 2)),
        entries((1, 2), (1, 1)),
        entries((0, 0), (1, 1)),
        bytes(8),
        entries((1, 1), (2, 1), (0, 0), (0, 0)),
        entries((1, 1), (0, 0), (2, 1), (3, 1)),
    ],
)
def test_hostile_contents_are_refused(impl, tmp_path, payload):
    data = repaired(filled(impl, 1).to_bytes(), payload)
    for read in readers(impl.HyperLogLog, tmp_path):
        with pytest.raises(ValueError, match="parameters contradict"):
            read(data)


def test_strange_but_possible_contents(impl):
    """Entries that all want the same place: slow, no more."""
    at_end = [(2**26 - 3072 + i, 39) for i in range(3072)]
    at_start = [(i, 1) for i in range(3072)]
    for pairs in (at_end, at_start):
        data = repaired(impl.HyperLogLog(14).to_bytes(), entries(*pairs))
        s = impl.HyperLogLog.from_bytes(data)
        assert s.to_bytes() == data
        assert len(s) == 3072
        assert s | s == s
        s.add_many(range(100))
        assert not s.sparse
        assert impl.HyperLogLog.from_bytes(s.to_bytes()) == s


def test_small_sketches_have_no_sparse_form(impl):
    data = repaired(impl.HyperLogLog(7).to_bytes(), b"")
    with pytest.raises(ValueError, match="parameters contradict"):
        impl.HyperLogLog.from_bytes(data)


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.HyperLogLog.from_bytes(data)


@pytest.mark.parametrize(
    ("name", "more"), [("hyperloglog_v1.bin", 0), ("hyperloglog_dense_v1.bin", 300)]
)
def test_bytes_are_pinned(name, more):
    """The layout is a promise: files written by any version stay readable."""
    expected = fastblocks.HyperLogLog(9, seed=11)
    expected.update(["a", b"\xff", 5, -5, "ü"], range(10, 10 + more))
    data = (GOLDEN / name).read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        assert impl.HyperLogLog.from_bytes(data).to_bytes() == data


def test_estimates_are_pinned(impl):
    values = [filled(impl, n, p).estimate() for p, n in [(4, 9), (8, 40), (8, 400), (14, 5000)]]
    assert [value.hex() for value in values] == ESTIMATES


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, saved):
    s, path = saved
    for name in (path, str(path)):
        g = impl.HyperLogLog.open(name)
        assert type(g) is impl.HyperLogLog
        assert g == s
        assert repr(g) == repr(s)
        assert g.to_bytes() == s.to_bytes() == path.read_bytes()
        assert g.estimate() == s.estimate()
        assert bool(g)
        assert g.nbytes == len(path.read_bytes()) - HEADER
        assert (s | g) == (g | s) == s


def test_empty_sketch_in_a_file(impl, tmp_path):
    s = impl.HyperLogLog()
    s.save(tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_size == HEADER
    g = impl.HyperLogLog.open(tmp_path / "empty")
    assert g == s
    assert not g
    assert g.copy() == s


def test_native_and_pure_open_each_others_files(saved):
    s, path = saved
    for impl in (fastblocks, fastblocks.pure):
        assert impl.HyperLogLog.open(path).to_bytes() == s.to_bytes()
    a = fastblocks.HyperLogLog.open(path, "r+")
    a.add("x")
    b = fastblocks.pure.HyperLogLog.open(path, "r+")
    b.add("y")
    assert a.to_bytes() == b.to_bytes()


def test_read_only_map_refuses_changes(impl, saved):
    s, path = saved
    g = impl.HyperLogLog.open(path)
    changes = {
        "add": lambda: g.add("x"),
        "add_many": lambda: g.add_many(["x"] * 1000),
        "merge": lambda: g.merge(s),
        "clear": g.clear,
    }
    for method, change in changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: .*mapped read-only"):
            change()
    for change in (lambda: g.update(["x"]), lambda: g.__ior__(s)):
        with pytest.raises((OSError, ValueError)):
            change()
    g.flush()
    assert path.read_bytes() == s.to_bytes()
    assert g == s


def test_copies_of_a_map_are_writable_and_apart(impl, saved):
    s, path = saved
    for g in (impl.HyperLogLog.open(path).copy(), impl.HyperLogLog.open(path) | s):
        assert g == s
        g.update(range(1000, 1100))
        assert (g | s) == g != s
    assert path.read_bytes() == s.to_bytes()


def test_writable_map_changes_the_file(impl, saved):
    s, path = saved
    g = impl.HyperLogLog.open(path, mode="r+")
    assert not g.sparse
    s.add_many(range(900, 1600))
    for key in range(900, 930):
        g.add(key)
    g.add_many(np.arange(930, 1600))
    g.flush()
    assert path.read_bytes()[HEADER:] == s.to_bytes()[HEADER:]
    again = impl.HyperLogLog.open(path)
    assert again == s == g
    assert again.to_bytes() == s.to_bytes()  # sealed anew
    assert again.estimate() == g.estimate() == s.estimate()
    other = filled(impl, 5)
    other.add_many(range(7000, 9000))
    g.merge(other, filled(impl, 30))
    assert again == s | other  # one memory
    g.clear()
    assert not again
    assert not g.sparse
    g |= other
    assert again == other
    assert g.copy() == other


def test_opening_to_write_makes_a_sparse_file_dense(impl, tmp_path):
    path = tmp_path / "few"
    s = filled(impl, FEW)
    s.save(path)
    path.chmod(0o640)
    old = impl.HyperLogLog.open(path)
    g = impl.HyperLogLog.open(path, "r+")
    assert path.stat().st_size == HEADER + 2**8
    assert path.stat().st_mode & 0o777 == 0o640
    assert g.estimate() == pytest.approx(FEW, rel=4 * g.standard_error)
    assert old == s  # still the old file
    g.add_many(range(FEW, MANY))
    assert g == impl.HyperLogLog.open(path) == filled(impl, MANY)
    assert [p.name for p in tmp_path.iterdir()] == ["few"]


def test_a_file_that_may_not_be_written_stays(impl, tmp_path, monkeypatch):
    path = tmp_path / "few"
    filled(impl, FEW).save(path)
    before = path.read_bytes()

    def no_room(*args):
        raise OSError("no room")

    monkeypatch.setattr("os.replace", no_room)
    with pytest.raises(OSError, match="no room"):
        impl.HyperLogLog.open(path, "r+")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["few"]


def test_a_file_replaced_while_it_is_opened(impl, tmp_path, monkeypatch):
    path = tmp_path / "few"
    filled(impl, FEW).save(path)
    before = path.read_bytes()
    monkeypatch.setattr("fastblocks._core.files.convert", lambda path, form: None)
    with pytest.raises(OSError, match="replaced while it was being opened"):
        impl.HyperLogLog.open(path, "r+")
    assert path.read_bytes() == before


def test_verify_false_still_looks_at_the_contents(impl, saved, tmp_path):
    s, path = saved
    assert impl.HyperLogLog.open(path, verify=False) == s
    data = bytearray(path.read_bytes())
    data[-8:] = b"\xff" * 8
    path.write_bytes(data)
    for mode in ("r", "r+"):
        with pytest.raises(ValueError, match=r"seen\.hll: corrupt: its parameters contradict"):
            impl.HyperLogLog.open(path, mode, verify=False)


def test_open_of_what_is_no_sketch(impl, tmp_path):
    fastblocks.BloomFilter(10).save(tmp_path / "bloom")
    for mode in ("r", "r+"):
        with pytest.raises(FileNotFoundError):
            impl.HyperLogLog.open(tmp_path / "missing", mode)
        with pytest.raises(ValueError, match="bloom: the bytes of another class"):
            impl.HyperLogLog.open(tmp_path / "bloom", mode)
        with pytest.raises(TypeError, match=r"str.* os\.PathLike"):
            impl.HyperLogLog.open(5, mode)
    with pytest.raises(ValueError, match=r"mode must be 'r' or 'r\+', not 'w'"):
        impl.HyperLogLog.open(tmp_path / "bloom", "w")


# ---- several processes on one file ---------------------------------------------------------------

ADDER = """
import sys
import numpy as np
from fastblocks import HyperLogLog
path, first, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
shared = HyperLogLog.open(path, "r+")
for keys in np.array_split(np.arange(first, first + n), 100):
    shared.add_many(keys)
for key in range(first + n, first + n + n // 10):
    shared.add(key)
"""


def test_processes_open_a_sparse_file_at_once_and_lose_nothing(tmp_path):
    n, processes = 100_000, 3
    path = tmp_path / "shared.hll"
    fastblocks.HyperLogLog(12).save(path)
    with contextlib.ExitStack() as stack:
        adders = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ADDER, path, str(i * n), str(n)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for i in range(processes)
        ]
        for adder in adders:
            assert adder.stdout.readline() == "ready\n"
        for adder in adders:
            adder.stdin.write("go\n")
            adder.stdin.flush()
        assert [adder.wait() for adder in adders] == [0] * processes
    expected = fastblocks.HyperLogLog(12)
    expected.add_many(np.arange(processes * n + n // 10))
    assert fastblocks.HyperLogLog.open(path) == expected
