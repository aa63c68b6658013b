"""The sketches that count, as objects, bytes and files: copies, damage of every kind, maps."""

import copy
import io
import pathlib
import pickle
import subprocess
import sys

import pytest

import fastblocks
import fastblocks.pure
from tests.sketches.counting import COUNTING
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

pytestmark = pytest.mark.parametrize("counting", COUNTING, ids=lambda c: c.name)
GOLDEN = pathlib.Path(__file__).parent.parent / "golden"


@pytest.fixture
def saved(impl, counting, tmp_path):
    """A sketch and the file it was saved to."""
    sketch, path = counting.filled(impl), tmp_path / "saved"
    sketch.save(path)
    return sketch, path


# ---- objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda s: s.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda s, p=p: pickle.loads(pickle.dumps(s, p)) for p in range(2, 6)),
        lambda s: type(s).from_bytes(s.to_bytes()),
        lambda s: type(s).from_bytes(memoryview(b"x" + s.to_bytes())[1:]),
    ],
)
def test_copies_are_equal_and_apart(impl, counting, duplicate):
    sketch = counting.filled(impl, seed=2**64 - 1)
    twin = duplicate(sketch)
    assert type(twin) is counting.cls(impl)
    assert twin == sketch
    assert repr(twin) == repr(sketch)
    assert twin.to_bytes() == sketch.to_bytes()
    counting.add_one(twin, "only here")
    assert twin != sketch
    assert sketch == counting.filled(impl, seed=2**64 - 1)


@pytest.mark.parametrize("module", [fastblocks, fastblocks.pure], ids=["native", "pure"])
def test_subclasses_keep_their_class_and_attributes(counting, module, monkeypatch):
    def init(self, label):
        counting.cls(module).__init__(self, *counting.args)
        self.label = label

    mine = type("Mine", (counting.cls(module),), {"__init__": init, "__module__": __name__})
    monkeypatch.setitem(globals(), "Mine", mine)  # where pickle looks for it
    sketch = mine("mine")
    counting.add_one(sketch, "x")
    for twin in (sketch.copy(), copy.deepcopy(sketch), pickle.loads(pickle.dumps(sketch))):
        assert type(twin) is mine
        assert twin == sketch
        assert twin.label == "mine"
    assert type(mine.from_bytes(sketch.to_bytes())) is mine


def test_init_runs_once(impl, counting):
    sketch = counting.filled(impl)
    for made in (sketch, sketch.copy()):
        with pytest.raises(RuntimeError, match="has been initialised already"):
            made.__init__(*counting.args)
    assert sketch == counting.filled(impl)
    with pytest.raises(AttributeError):
        sketch.anything = 1


def test_new_alone_is_a_valid_small_sketch(counting):
    cls = counting.cls(fastblocks)
    sketch = cls.__new__(cls)
    counting.add_one(sketch, "x")
    assert sketch.estimate("x") == 1
    assert cls.from_bytes(sketch.to_bytes()) == sketch


def test_size_in_memory(counting):
    sketch = counting.filled(fastblocks)
    assert sketch.nbytes == len(sketch.to_bytes()) - HEADER
    assert sys.getsizeof(sketch) > sketch.nbytes


def test_equality_and_truth(impl, counting):
    sketch, empty = counting.filled(impl), counting.empty(impl)
    assert sketch
    assert not empty
    assert sketch != empty
    assert sketch == counting.filled(impl)
    assert sketch != counting.filled(impl, seed=4)
    assert sketch != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(sketch)
    assert sketch.clear() is None
    assert not sketch
    assert sketch == empty


def test_unequal_sketches_refuse_to_merge(impl, counting):
    sketch = counting.filled(impl)
    for changed, message in counting.unequal:
        other = counting.filled(impl, **changed)
        with pytest.raises(ValueError, match=f"cannot combine: {message}"):
            sketch.merge(sketch, other)
    with pytest.raises(TypeError, match=f"other must be a {counting.name}, not set"):
        sketch.merge(sketch, {1})
    assert sketch.merge() is None
    assert sketch == counting.filled(impl)


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, counting, tmp_path):
    refuses_damage(counting.cls(impl), counting.filled(impl).to_bytes(), tmp_path)


def test_hostile_parameters_are_refused(impl, counting, tmp_path):
    """Checksums good, contents impossible: what an attacker would send."""
    data = counting.filled(impl).to_bytes()
    general = [(16, 2**63, "truncated"), (16, 0, "more bytes"), (16, 2**64 - 8, "truncated")]
    for read in readers(counting.cls(impl), tmp_path):
        for at, value, message in general + counting.hostile:
            with pytest.raises(ValueError, match=message):
                read(resealed(data, at, value))
        with pytest.raises(ValueError, match="another class"):
            read(resealed(data, 8, int.from_bytes(b"OTHR", "little"), 4))
        with pytest.raises(ValueError, match="does not read"):
            read(resealed(data, 12, 2, 2))


def test_hostile_contents_are_refused(impl, counting, tmp_path):
    data = counting.filled(impl).to_bytes()
    payloads = [data[HEADER:-8], data[HEADER:] + bytes(8), b""]
    for at, value in counting.contents:
        payload = bytearray(data[HEADER:])
        payload[at] = value
        payloads.append(bytes(payload))
    for read in readers(counting.cls(impl), tmp_path):
        for payload in payloads:
            with pytest.raises(ValueError, match="parameters contradict"):
                read(repaired(data, payload))


def test_any_counts_are_safe(impl, counting):
    """Whatever the counters hold, every call answers."""
    data = counting.filled(impl).to_bytes()
    for byte in (0xFF, 0x0F, 0x80, 0x77):
        room = len(data) - HEADER - 64 - 8  # what fills up the last 8 bytes must be zero
        payload = data[HEADER : HEADER + 64] + bytes([byte]) * room
        payload += data[HEADER + len(payload) :]
        sketch = counting.cls(impl).from_bytes(repaired(data, payload))
        for change in counting.changes.values():
            assert sketch.estimate_many(range(50)).max() > 0
            sketch.estimate(b"x")
            sketch.copy().to_bytes()
            change(sketch, sketch)


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, counting, data):
    with pytest.raises(TypeError):
        counting.cls(impl).from_bytes(data)


def test_bytes_are_pinned(impl, counting):
    """The layout is a promise: files written by any version stay readable."""
    data = (GOLDEN / counting.golden).read_bytes()
    assert counting.filled(impl).to_bytes() == data
    assert counting.cls(impl).from_bytes(data).to_bytes() == data


# ---- files -----------------------------------------------------------------------------------


def test_save_and_open(impl, counting, saved):
    sketch, path = saved
    for name in (path, str(path)):
        opened = counting.cls(impl).open(name)
        assert opened == sketch
        assert repr(opened) == repr(sketch)
        assert opened.to_bytes() == sketch.to_bytes() == path.read_bytes()
    for module in (fastblocks, fastblocks.pure):
        assert counting.cls(module).open(path).to_bytes() == sketch.to_bytes()


def test_read_only_map_refuses_changes(impl, counting, saved):
    sketch, path = saved
    opened = counting.cls(impl).open(path)
    for method, change in counting.changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: .*mapped read-only"):
            change(opened, sketch)
    opened.flush()
    assert path.read_bytes() == sketch.to_bytes()
    twin = opened.copy()
    counting.add_one(twin, "x")
    assert twin != opened == sketch


def test_writable_map_changes_the_file(impl, counting, saved):
    sketch, path = saved
    opened = counting.cls(impl).open(path, mode="r+")
    reader = counting.cls(impl).open(path)
    for change in counting.changes.values():
        change(opened, counting.filled(impl))
        change(sketch, counting.filled(impl))
        assert reader == opened == sketch
    opened.flush()
    assert path.read_bytes()[HEADER:] == sketch.to_bytes()[HEADER:]
    assert counting.cls(impl).open(path).to_bytes() == sketch.to_bytes()  # sealed anew


def test_one_process_may_write(impl, counting, saved):
    path = saved[1]
    opened = counting.cls(impl).open(path, "r+")
    program = f"import fastblocks; fastblocks.{counting.name}.open({str(path)!r}, 'r+')"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "BlockingIOError" in other.stderr
    del opened
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_verify_false_skips_the_payload_only(impl, counting, saved):
    path = saved[1]
    data = bytearray(path.read_bytes())
    data[HEADER + 64] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="saved: corrupt"):
        counting.cls(impl).open(path)
    assert counting.cls(impl).open(path, verify=False)
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="saved: corrupt"):
        counting.cls(impl).open(path, verify=False)
