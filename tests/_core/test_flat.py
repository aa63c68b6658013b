"""What every class that stands on `Flat` does with subclasses, finalizers and failures."""

import contextlib
import copy
import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastblocks

MAKE = {
    "BloomFilter": lambda cls: cls(100),
    "CountingBloomFilter": lambda cls: cls(100),
    "CuckooFilter": lambda cls: cls(100),
    "RotatingBloomFilter": lambda cls: cls(100, 0.01, 60),
    "ScalableBloomFilter": lambda cls: cls(100),
    "BinaryFuseFilter": lambda cls: cls(["a", "b"]),
    "FrequencySketch": lambda cls: cls(100),
    "CountMinSketch": lambda cls: cls(100, 3),
    "HyperLogLog": lambda cls: cls(8),
    "TopK": lambda cls: cls(10),
    "MaglevTable": lambda cls: cls(["a", "b"], table_size=7),
    "RendezvousHash": lambda cls: cls(["a", "b"]),
    "HashRing": lambda cls: cls(["a", "b"]),
    "Memory": lambda cls: cls(100),
}
MERGING = [name for name in MAKE if hasattr(getattr(fastblocks, name), "merge")]


@pytest.fixture(params=MAKE)
def name(request):
    return request.param


def test_a_deep_copy_has_attributes_of_its_own(impl, name):
    cls = type("Mine", (getattr(impl, name),), {})
    mine = MAKE[name](cls)
    mine.tags = ["x"]
    shallow, deep = copy.copy(mine), copy.deepcopy(mine)
    assert type(shallow) is type(deep) is cls
    assert shallow.tags is mine.tags
    assert deep.tags == ["x"]
    assert deep.tags is not mine.tags
    assert deep == mine


def test_new_must_return_a_new_object(name):
    cls = getattr(fastblocks, name)
    single = MAKE[name](cls)

    class Single(cls):
        def __new__(cls, *args, **kwargs):
            return single

    with pytest.raises(TypeError, match=r"Single\.__new__ must return a new Single"):
        Single.from_bytes(single.to_bytes())


@pytest.mark.parametrize("name", MERGING)
def test_a_copy_method_that_lies_is_found_out(name):
    cls = getattr(fastblocks, name)

    class Liar(cls):
        def copy(self):
            return "no copy"

    a, b = MAKE[name](Liar), MAKE[name](Liar)
    if hasattr(cls, "__or__"):
        with contextlib.suppress(TypeError, AttributeError):
            assert type(a | b) is Liar
    a.merge(b)
    assert a.to_bytes() == MAKE[name](cls).to_bytes() or name in ("RotatingBloomFilter", "TopK")


class Index:
    """An argument that makes the object while it is being made."""

    def __init__(self, make):
        self.make = make

    def __index__(self):
        self.make()
        return 100

    def __float__(self):
        self.make()
        return 0.5


@pytest.mark.parametrize("name", ["BloomFilter", "CuckooFilter", "FrequencySketch", "TopK"])
def test_init_within_init_is_refused(name):
    f = getattr(fastblocks, name).__new__(getattr(fastblocks, name))
    with pytest.raises(RuntimeError, match="has been initialised already"):
        f.__init__(Index(lambda: f.__init__(10)))
    assert f.to_bytes() == getattr(fastblocks, name)(10).to_bytes()


@pytest.mark.parametrize("name", MERGING)
def test_garbage_collected_meanwhile_may_use_the_object(name):
    """A finalizer that runs while the object holds its lock gets an error, and nobody waits."""
    f = MAKE[name](getattr(fastblocks, name))
    write = f.record if name == "FrequencySketch" else f.add
    write_many = f.record_many if name == "FrequencySketch" else f.add_many

    words = []

    def callback(phase, info):
        try:
            write("from within")
        except fastblocks.FilterFullError:
            pass
        except RuntimeError as error:
            words.append(str(error))

    def work():
        for _ in range(50):
            f.copy()
            f.to_bytes()
            write_many(["a", "b", "c"])
            assert f
            f.clear()

    thread = threading.Thread(target=work, daemon=True)
    before = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        thread.start()
        thread.join(60)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(callback)
    assert not thread.is_alive()
    assert {word for word in words if "at work already" not in word} == set()


@pytest.mark.parametrize("name", ["BinaryFuseFilter", "TopK", "HashRing"])
def test_what_is_opened_for_good_says_what_to_do(impl, name, tmp_path):
    cls = getattr(impl, name)
    MAKE[name](cls).save(tmp_path / "it")
    opened = cls.open(tmp_path / "it")
    with pytest.raises(ValueError, match=r"mode must be 'r', not 'r\+': a .* cannot be changed"):
        cls.open(tmp_path / "it", "r+")
    if name != "BinaryFuseFilter":
        with pytest.raises(OSError, match=r"opened from a file cannot be changed; change a copy"):
            opened.add("x")
        changed = opened.copy()
        changed.add("x")
        assert "x" in changed


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory the Linux way")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("BloomFilter", "10**9"),
        ("CountingBloomFilter", "10**9"),
        ("CuckooFilter", "10**9"),
        ("RotatingBloomFilter", "10**9, 0.01, 5"),
        ("ScalableBloomFilter", "10**9"),
        ("FrequencySketch", "10**9"),
        ("CountMinSketch", "10**9, 3"),
    ],
)
def test_what_cannot_be_allocated_leaves_the_object_usable(name, arguments):
    program = f"""
import resource
import fastblocks
import numpy

class Stubborn(fastblocks.{name}):
    def __init__(self, *args):
        try:
            super().__init__(*args)
        except MemoryError:
            print("no memory")

resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))
f = Stubborn({arguments})
getattr(f, "add_many", getattr(f, "record_many", None))(range(4))
getattr(f, "contains_many", getattr(f, "estimate_many", None))(range(1000))
assert fastblocks.{name}.from_bytes(f.to_bytes()) is not None
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "no memory\n"), result.stderr


def test_counts_are_copied_before_they_are_checked():
    counts = np.ones(3, np.uint64)
    assert fastblocks._core.check.counts(counts, 3, 5) is not counts
    with pytest.raises(ValueError, match=r"counts\[1\] is null"):
        fastblocks._core.check.counts(np.ma.array([1, 2], mask=[0, 1]), 2, 5)
