"""BloomFilter as bytes and files: round trips, damage of every kind, maps shared by processes."""

import contextlib
import io
import os
import pathlib
import stat
import subprocess
import sys

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, readers, refuses_damage, resealed


@pytest.fixture
def saved(impl, tmp_path):
    """A filter of 50 keys and the file it was saved to."""
    f = impl.BloomFilter(50, 0.01, seed=3)
    f.update(range(50))
    path = tmp_path / "seen.bloom"
    f.save(path)
    return f, path


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, saved, tmp_path):
    refuses_damage(impl.BloomFilter, saved[0].to_bytes(), tmp_path)


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (8, int.from_bytes(b"OTHR", "little"), 4, "the bytes of another class"),
        (12, 2, 2, "written by a version that this one does not read"),
        (16, 2**63, 8, "truncated"),
        (16, 0, 8, "more bytes"),
        (16, -1, 8, "truncated"),
        (32, 0, 8, "parameters contradict"),  # capacity
        (32, 2**63, 8, "parameters contradict"),
        (40, 0x7FF8_0000_0000_0000, 8, "parameters contradict"),  # fp_rate: nan
        (40, 0x3FF0_0000_0000_0000, 8, "parameters contradict"),  # 1.0
        (40, 0, 8, "parameters contradict"),
        (56, 0, 8, "parameters contradict"),  # blocks
        (56, 2**62, 8, "parameters contradict"),
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
    for read in readers(impl.BloomFilter, tmp_path):
        with pytest.raises(ValueError, match=message):
            read(data)


def test_another_layout_of_the_same_size_does_not_combine(impl):
    """As a later version, that sizes differently, could write it."""
    f = impl.BloomFilter(10_000, 0.01)
    data = resealed(resealed(f.to_bytes(), 56, f.nbytes // 16), 64, 4)
    other = impl.BloomFilter.from_bytes(data)
    assert other.nbytes == f.nbytes
    assert other != f
    with pytest.raises(ValueError, match=r"layout differs \(\(.*, 8, .*\) and \(.*, 4, .*\)\)"):
        f.merge(other)


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.BloomFilter.from_bytes(data)


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    golden = pathlib.Path(__file__).parent.parent / "golden" / "bloom_v1.bin"
    expected = fastblocks.BloomFilter(20, 0.03, seed=11)
    expected.update(["a", b"\xff", 5, -5, "ü"])
    data = golden.read_bytes()
    assert expected.to_bytes() == data
    for impl in (fastblocks, fastblocks.pure):
        assert impl.BloomFilter.from_bytes(data).to_bytes() == data


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, saved):
    f, path = saved
    for name in (path, str(path)):
        g = impl.BloomFilter.open(name)
        assert type(g) is impl.BloomFilter
        assert g == f
        assert repr(g) == repr(f)
        assert g.to_bytes() == f.to_bytes() == path.read_bytes()
        assert g.contains_many(range(50)).all()


def test_native_and_pure_open_each_others_files(saved):
    f, path = saved
    assert fastblocks.BloomFilter.open(path).to_bytes() == f.to_bytes()
    assert fastblocks.pure.BloomFilter.open(path).to_bytes() == f.to_bytes()


def test_read_only_map_refuses_changes(impl, saved):
    f, path = saved
    g = impl.BloomFilter.open(path)
    changes = {
        "add": lambda: g.add("x"),
        "add_many": lambda: g.add_many(["x"] * 1000),
        "merge": lambda: g.merge(f),
        "&=": lambda: g.__iand__(f),
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
    g = impl.BloomFilter.open(path).copy()
    g.add("x")
    assert (g | f) == g
    assert path.read_bytes() == f.to_bytes()


def test_writable_map_changes_the_file(impl, saved):
    f, path = saved
    g = impl.BloomFilter.open(path, mode="r+")
    g.add("x")
    g.add_many(np.arange(1000, 1040))
    g.flush()
    f.add("x")
    f.add_many(np.arange(1000, 1040))
    assert path.read_bytes()[HEADER:] == f.to_bytes()[HEADER:]
    again = impl.BloomFilter.open(path)
    assert again == f == g
    assert again.to_bytes() == f.to_bytes()  # sealed anew
    g.add("y")
    assert "y" in again  # one memory
    g &= f
    assert g == f
    g.clear()
    assert not again
    g |= f
    assert again == f


def test_file_written_in_place_has_no_payload_checksum_until_saved(impl, saved):
    f, path = saved
    g = impl.BloomFilter.open(path, "r+")
    g.add("x")
    del g
    data = bytearray(path.read_bytes())
    assert impl.BloomFilter.from_bytes(data) != f
    impl.BloomFilter.open(path).save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="corrupt"):
        impl.BloomFilter.open(path)


def test_verify_false_skips_the_payload_only(impl, saved):
    path = saved[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"seen\.bloom: corrupt"):
        impl.BloomFilter.open(path)
    assert impl.BloomFilter.open(path, verify=False).capacity == 50
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"seen\.bloom: corrupt"):
        impl.BloomFilter.open(path, verify=False)


def test_open_of_what_is_no_filter(impl, tmp_path):
    with pytest.raises(FileNotFoundError):
        impl.BloomFilter.open(tmp_path / "missing")
    with pytest.raises(OSError, match=r"directory|denied"):
        impl.BloomFilter.open(tmp_path)
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"GIF89a" + bytes(500))
    with pytest.raises(ValueError, match="foreign: not the bytes of a fastblocks object"):
        impl.BloomFilter.open(foreign)


@pytest.mark.parametrize("mode", ["w", "rb", "", "a", None, "r+b"])
def test_open_in_another_mode(impl, saved, mode):
    with pytest.raises(ValueError, match=r"mode must be 'r' or 'r\+', not"):
        impl.BloomFilter.open(saved[1], mode)


def test_save_replaces_atomically(impl, saved, tmp_path):
    f, path = saved
    old = impl.BloomFilter.open(path)
    f.add("new")
    path.chmod(0o640)
    f.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "new" in impl.BloomFilter.open(path)
    assert "new" not in old  # still the old file
    assert os.listdir(tmp_path) == ["seen.bloom"]


def test_save_that_fails_leaves_what_was(impl, saved, tmp_path, monkeypatch):
    f, path = saved
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(OSError("full")))
    f.add("new")
    with pytest.raises(OSError, match="full"):
        f.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["seen.bloom"]
    with pytest.raises(FileNotFoundError):
        f.save(tmp_path / "no folder" / "x")


def test_save_through_a_symbolic_link(impl, saved, tmp_path):
    f, path = saved
    link = tmp_path / "link"
    link.symlink_to(path)
    f.add("new")
    f.save(link)
    assert link.is_symlink()
    assert "new" in impl.BloomFilter.open(path)
    with pytest.raises(OSError, match="not a regular file"):
        f.save(os.devnull)
    with pytest.raises(OSError, match="not a regular file"):
        f.save(tmp_path)


def test_save_under_the_longest_name(impl, saved, tmp_path):
    saved[0].save(tmp_path / ("n" * 255))
    assert impl.BloomFilter.open(tmp_path / ("n" * 255)) == saved[0]


@pytest.mark.parametrize("path", [0, True, None, b"bytes", 1.5])
def test_what_is_no_path(impl, saved, path):
    for call in (impl.BloomFilter.open, saved[0].save):
        with pytest.raises(TypeError, match=r"str.* os\.PathLike"):
            call(path)
    os.fstat(0)  # descriptors are left alone


def test_save_without_a_folder_and_with_default_permissions(impl, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved[0].save("plain.bloom")
    pathlib.Path("other").touch()
    assert os.stat("plain.bloom").st_mode == os.stat("other").st_mode


# ---- several processes on one file ---------------------------------------------------------------

ADDER = """
import sys
import numpy as np
from fastblocks import BloomFilter
path, first, n, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
shared = BloomFilter.open(path, "r+")
print("ready", flush=True)
sys.stdin.readline()
if how == "batch":
    for keys in np.array_split(np.arange(first, first + n), 100):
        shared.add_many(keys)
else:
    for key in range(first, first + n):
        shared.add(key)
"""


@pytest.mark.parametrize("how", ["batch", "one by one"])
def test_two_processes_add_to_one_file_and_lose_nothing(tmp_path, how):
    n = 1_000_000
    path = tmp_path / "shared.bloom"
    fastblocks.BloomFilter(2 * n, 0.01).save(path)
    with contextlib.ExitStack() as stack:
        adders = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ADDER, path, str(i * n), str(n), how],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for i in range(2)
        ]
        for adder in adders:
            assert adder.stdout.readline() == "ready\n"
        for adder in adders:
            adder.stdin.write("go\n")
            adder.stdin.flush()
        assert [adder.wait() for adder in adders] == [0, 0]
    expected = fastblocks.BloomFilter(2 * n, 0.01)
    expected.add_many(np.arange(2 * n))
    assert fastblocks.BloomFilter.open(path) == expected
