"""RotatingBloomFilter as bytes and files: sealed and live time, damage, maps that are shared."""

import io
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.filters.clock import Clock
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

SECOND = 10**9
HEAD = struct.Struct("<QQQq4Q")  # rotations, form, phase, origin, unused


def filled(impl, timer, **kwargs):
    """A filter of two full generations whose current one began 4 s ago."""
    f = impl.RotatingBloomFilter(30, 0.01, 10, seed=3, timer=timer, **kwargs)
    f.update(range(30))
    timer.ns += 14 * SECOND
    f.update(range(20, 50))
    return f


@pytest.fixture
def clock():
    return Clock(1000 * SECOND)


@pytest.fixture
def saved(impl, clock, tmp_path):
    """A filter and the file it was saved to."""
    f = filled(impl, clock)
    path = tmp_path / "seen.rotating"
    f.save(path)
    return f, path


def with_head(data, **words):
    """`data` with words of the head line changed, checksums good."""
    names = ["rotations", "form", "phase", "origin", "w4", "w5", "w6", "w7"]
    values = dict(zip(names, HEAD.unpack(data[HEADER : HEADER + 64]), strict=True))
    values.update(words)
    return repaired(data, HEAD.pack(*values.values()) + data[HEADER + 64 :])


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.RotatingBloomFilter, saved[0].to_bytes(), tmp_path, timer=Clock())


NAN, ONE, TENTH_NANO = 0x7FF8_0000_0000_0000, 0x3FF0_0000_0000_0000, 0x3E11_2E0B_E826_D695


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"BLOM", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        (32, 0, 8, "parameters contradict"),  # capacity
        (32, 2**63, 8, "parameters contradict"),
        (40, NAN, 8, "parameters contradict"),  # fp_rate
        (40, ONE, 8, "parameters contradict"),
        (40, 0, 8, "parameters contradict"),
        (40, TENTH_NANO, 8, "parameters contradict"),  # enough for one generation, not for two
        (56, 0, 8, "parameters contradict"),  # blocks
        (56, 2**62, 8, "parameters contradict"),
        (56, 2**64 - 1, 8, "parameters contradict"),
        (64, 0, 8, "parameters contradict"),  # lanes
        (64, 5, 8, "parameters contradict"),
        (64, 2**32 + 8, 8, "parameters contradict"),
        (72, 0, 8, "parameters contradict"),  # window
        (72, 9 * 10**18 + 1, 8, "parameters contradict"),
        (72, 2**64 - 1, 8, "parameters contradict"),
        (80, 0, 8, "parameters contradict"),  # generations
        (80, 1, 8, "parameters contradict"),
        (80, 3, 8, "parameters contradict"),
        (80, 17, 8, "parameters contradict"),
        (80, 2**32 + 2, 8, "parameters contradict"),
        (88, 1, 8, "parameters contradict"),  # unused
        (112, 1, 8, "parameters contradict"),
    ],
)
def test_hostile_parameters_are_refused(impl, saved, tmp_path, at, value, size, message):
    data = resealed(saved[0].to_bytes(), at, value, size)
    for read in readers(impl.RotatingBloomFilter, tmp_path, timer=Clock()):
        with pytest.raises(ValueError, match=message):
            read(data)


@pytest.mark.parametrize(
    "words",
    [
        {"form": 2},
        {"form": 2**64 - 1},
        {"phase": 10 * SECOND},
        {"phase": 2**64 - 1},
        {"rotations": (2**63 - 1) // (10 * SECOND) + 1},
        {"rotations": 2**64 - 1, "form": 1},
        {"w4": 1},
        {"w7": 2**63},
    ],
)
def test_hostile_head_lines_are_refused(impl, saved, tmp_path, words):
    data = with_head(saved[0].to_bytes(), **words)
    for read in readers(impl.RotatingBloomFilter, tmp_path, timer=Clock()):
        with pytest.raises(ValueError, match="parameters contradict"):
            read(data)


@pytest.mark.parametrize(
    "words",
    [
        {"phase": 10 * SECOND - 1},
        {"rotations": (2**63 - 1) // (10 * SECOND)},
        {"form": 1, "rotations": (2**63 - 1) // (10 * SECOND), "origin": 2**63 - 1},
        {"form": 1, "rotations": (2**63 - 1) // (10 * SECOND), "origin": -(2**63)},
        {"form": 1, "rotations": 7, "origin": 0},
        {"form": 1, "origin": -(2**63)},
    ],
)
def test_any_admitted_state_can_be_used(saved, tmp_path, words):
    """The same way by native and pure, and without harm."""
    data = with_head(saved[0].to_bytes(), **words)
    answers, clock = [], Clock()
    for impl in (fastblocks, fastblocks.pure):
        for read in readers(impl.RotatingBloomFilter, tmp_path, timer=clock):
            clock.ns = 0
            f = read(data)
            said = []
            for ns in (0, 10, 9 * 10**18 - 1024, -(9 * 10**18) + 1024):
                clock.ns = ns
                said += [f.contains_many(range(60)).tolist(), f.approx_len(), f.to_bytes()]
                if len(answers) % 3 != 1:
                    said.append([f.add(key) for key in range(40, 70)])
            answers.append(said)
    assert answers[:3] == answers[3:]
    assert answers[0] == answers[2]


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.RotatingBloomFilter.from_bytes(data)


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "rotating_bloom_v1.bin"
    data = golden.read_bytes()
    for impl in (fastblocks, fastblocks.pure):
        clock = Clock(7 * SECOND)
        f = impl.RotatingBloomFilter(20, 0.03, 9, 3, seed=11, timer=clock)
        for keys in (["a", b"\xff"], [5, -5], ["ü"]):
            clock.ns += 5 * SECOND
            f.update(keys)
        assert f.to_bytes() == data
        twin = impl.RotatingBloomFilter.from_bytes(data, timer=Clock())
        assert twin.to_bytes() == data
        assert twin.contains_many(["a", 5, "ü"]).all()


# ---- time, sealed and live -------------------------------------------------------------------


def test_sealed_form_is_canonical(impl, clock):
    """It does not tell when the filter was made, nor how often it has rotated."""
    f, g = filled(impl, clock), filled(impl, Clock(-77))
    clock.ns += 100 * SECOND
    f.update(range(30))
    clock.ns += 10 * SECOND
    f.update(range(20, 50))
    assert f.to_bytes() == g.to_bytes()
    assert HEAD.unpack(f.to_bytes()[HEADER : HEADER + 64]) == (0, 0, 4 * SECOND, 0, 0, 0, 0, 0)


def test_time_stands_still_while_sealed(impl, saved):
    f, path = saved
    clock = Clock(-5 * SECOND)  # another machine
    loaded = [
        impl.RotatingBloomFilter.from_bytes(f.to_bytes(), timer=clock),
        impl.RotatingBloomFilter.open(path, timer=clock),
    ]
    f.timer.ns += 10**6 * SECOND
    assert not f
    for g in loaded:
        clock.ns = SECOND - 1  # 4 + 6 s, less a nanosecond: still the same generation
        assert g.contains_many(range(50)).all()
        clock.ns = SECOND
        assert g.contains_many(range(20, 50)).all()
        assert not g.contains_many(range(15)).any()
        clock.ns = 11 * SECOND
        assert not g


def test_save_and_open(impl, saved):
    f, path = saved
    for name in (path, str(path)):
        g = impl.RotatingBloomFilter.open(name, timer=f.timer)
        assert type(g) is impl.RotatingBloomFilter
        assert g == f
        assert g.timer is f.timer
        assert repr(g) == repr(f)
        assert g.to_bytes() == f.to_bytes() == path.read_bytes()
    assert impl.RotatingBloomFilter.open(path).timer is None


def test_read_only_map_leaves_the_file_alone(impl, saved):
    f, path = saved
    before = path.read_bytes()
    g = impl.RotatingBloomFilter.open(path, timer=f.timer)
    changes = {
        "add": lambda: g.add("x"),
        "add_many": lambda: g.add_many(["x"] * 1000),
        "update": lambda: g.update(["x"]),
        "merge": lambda: g.merge(f),
        "clear": g.clear,
    }
    for method, change in changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: .*mapped read-only"):
            change()
    for _ in range(4):
        assert g == f
        assert g.contains_many(range(50)).tolist() == f.contains_many(range(50)).tolist()
        assert g.to_bytes() == f.to_bytes()
        f.timer.ns += 7 * SECOND
    assert not g
    g.flush()
    assert path.read_bytes() == before


def test_copies_of_a_map_are_writable_and_apart(impl, saved):
    f, path = saved
    before = path.read_bytes()
    g = impl.RotatingBloomFilter.open(path, timer=f.timer).copy()
    assert g.add("x")
    assert g != f
    assert (g | f) == g
    assert path.read_bytes() == before


def test_writable_map_changes_the_file(impl, saved):
    f, path = saved
    clock = f.timer
    early = impl.RotatingBloomFilter.open(path, timer=clock)
    g = impl.RotatingBloomFilter.open(path, mode="r+", timer=clock)
    late = impl.RotatingBloomFilter.open(path, timer=clock)
    for keys in (["x"], [], ["y", 5], ["z"], [], [], [1, 2]):
        assert g.add_many(keys).tolist() == f.add_many(keys).tolist()
        g.flush()
        for reader in (early, late):
            assert reader == f == g
            assert reader.contains_many(keys).all()
            assert reader.to_bytes() == f.to_bytes() == g.to_bytes()
        assert impl.RotatingBloomFilter.from_bytes(path.read_bytes(), timer=clock) == f
        clock.ns += 6 * SECOND
    g.merge(f)
    assert g == f
    g.clear()
    assert not early


def test_live_file_has_gone_on_ageing(impl, saved):
    f, path = saved
    clock = f.timer
    g = impl.RotatingBloomFilter.open(path, "r+", timer=clock)
    assert g.add("x")
    del g
    clock.ns += 8 * SECOND  # with no process there
    for mode in ("r", "r+"):
        g = impl.RotatingBloomFilter.open(path, mode, timer=clock)
        assert "x" in g
        assert not g.contains_many(range(15)).any()
        assert g.contains_many(range(20, 50)).all()
        del g
    clock.ns += 20 * SECOND
    assert not impl.RotatingBloomFilter.open(path, timer=clock)


def test_live_file_after_the_machine_has_started_anew(impl, saved):
    f, path = saved
    clock = f.timer
    g = impl.RotatingBloomFilter.open(path, "r+", timer=clock)
    clock.ns += 100 * SECOND
    g.add("x")
    clock.ns += 4 * SECOND
    del g
    clock.ns = 3 * SECOND  # less than the file has seen
    reader = impl.RotatingBloomFilter.open(path, timer=clock)
    assert "x" in reader
    g = impl.RotatingBloomFilter.open(path, "r+", timer=clock)
    for ns, found in ((3, True), (13, True), (22.999999999, True), (23, False)):
        clock.ns = round(ns * SECOND)
        assert ("x" in g) is found
        assert ("x" in reader) is found


def test_one_writer_at_a_time(impl, saved):
    path = saved[1]
    g = impl.RotatingBloomFilter.open(path, "r+")
    with pytest.raises(BlockingIOError, match="only one writer is allowed"):
        impl.RotatingBloomFilter.open(path, "r+")
    assert impl.RotatingBloomFilter.open(path) == g
    del g
    impl.RotatingBloomFilter.open(path, "r+")


def test_verify_false_skips_the_payload_only(impl, saved):
    path = saved[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"seen\.rotating: corrupt"):
        impl.RotatingBloomFilter.open(path)
    assert impl.RotatingBloomFilter.open(path, verify=False).capacity == 30


@pytest.mark.parametrize("mode", ["w", "rb", "", None])
def test_open_in_another_mode(impl, saved, mode):
    with pytest.raises(ValueError, match=r"mode must be 'r' or 'r\+', not"):
        impl.RotatingBloomFilter.open(saved[1], mode)


def test_open_of_what_is_no_filter(impl, saved, tmp_path):
    with pytest.raises(FileNotFoundError):
        impl.RotatingBloomFilter.open(tmp_path / "missing")
    impl.BloomFilter(10).save(tmp_path / "bloom")
    with pytest.raises(ValueError, match="bloom: the bytes of another class"):
        impl.RotatingBloomFilter.open(tmp_path / "bloom")


# ---- several processes on one file ---------------------------------------------------------------

READER = """
import sys
from fastblocks import RotatingBloomFilter
shared = RotatingBloomFilter.open(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    print(line.strip() in shared, shared.contains_many(range(1000)).sum(), flush=True)
"""


def test_another_process_sees_what_the_writer_adds(tmp_path):
    path = tmp_path / "shared"
    fastblocks.RotatingBloomFilter(2000, 1e-6, 3600).save(path)
    with subprocess.Popen(
        [sys.executable, "-c", READER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout.readline() == "ready\n"
        writer = fastblocks.RotatingBloomFilter.open(path, "r+")

        def ask(key):
            reader.stdin.write(key + "\n")
            reader.stdin.flush()
            return reader.stdout.readline()

        assert ask("x") == "False 0\n"
        assert writer.add("x")
        assert ask("x") == "True 0\n"
        assert writer.add_many(np.arange(1000)).all()
        assert ask("y") == "False 1000\n"
        reader.stdin.close()
        assert reader.wait() == 0
