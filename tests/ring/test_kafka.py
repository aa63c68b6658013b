"""KafkaPartitioner: the partitions of the Java client."""

import copy
import pickle
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks.pure.ring.kafka import murmur2
from tests.threads import run_together

MOST = 2**31 - 1

# Of the Java client's own test of Utils.murmur2.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "value"), JAVA.items())
def test_vectors_of_the_java_client(impl, key, value):
    assert murmur2(key) == value % 2**32
    for partitions in (1, 2, 3, 12, 1000, MOST):
        expected = (value & 0x7FFFFFFF) % partitions
        partitioner = impl.KafkaPartitioner(partitions)
        assert partitioner.get(key) == expected
        assert partitioner.get(key.decode()) == expected
        assert partitioner.get_many([key]).tolist() == [expected]


def test_agrees_with_kafka_python():
    oracle = pytest.importorskip("kafka.partitioner").murmur2
    rng = random.Random(0)
    keys = [rng.randbytes(rng.randrange(65)) for _ in range(20_000)]
    expected = [oracle(key) & 0x7FFFFFFF for key in keys]
    native, pure = (m.KafkaPartitioner(MOST) for m in (fastblocks, fastblocks.pure))
    assert native.get_many(keys).tolist() == [h % MOST for h in expected]
    assert pure.get_many(keys[:5000]).tolist() == [h % MOST for h in expected[:5000]]
    dozen = fastblocks.KafkaPartitioner(12)
    assert [dozen.get(key) for key in keys] == [h % 12 for h in expected]


def test_an_int_is_what_the_long_serializer_writes(impl):
    partitioner = impl.KafkaPartitioner(MOST)
    for key in (0, 1, -1, 2**63 - 1, -(2**63), 123456789):
        assert partitioner.get(key) == partitioner.get(key.to_bytes(8, "big", signed=True))
    assert partitioner.get(2**64 - 1) == partitioner.get(-1)
    keys = [0, 1, -1, 5, -100]
    expected = [partitioner.get(key) for key in keys]
    for dtype in ("i1", "i2", "i4", "i8", ">i8"):
        assert partitioner.get_many(np.array(keys, dtype)).tolist() == expected
    assert partitioner.get_many(pa.array(keys)).tolist() == expected
    assert partitioner.get_many(keys).tolist() == expected
    for dtype in ("u1", "u2", "u4", "u8"):
        assert partitioner.get_many(np.array([5], dtype)).tolist() == [expected[3]]


def test_bytes_like_keys_are_their_bytes(impl):
    partitioner = impl.KafkaPartitioner(1000)
    expected = partitioner.get(b"Porto")
    for key in (bytearray(b"Porto"), memoryview(b"Porto"), memoryview(b"P.o.r.t.o")[::2], "Porto"):
        assert partitioner.get(key) == expected
    assert partitioner.get("é") == partitioner.get("é".encode())


@given(st.lists(st.text() | st.binary() | st.integers(-(2**63), 2**64 - 1)), st.integers(1, MOST))
def test_native_and_pure_agree(keys, partitions):
    native, pure = (m.KafkaPartitioner(partitions) for m in (fastblocks, fastblocks.pure))
    try:
        expected = [pure.get(key) for key in keys]
    except UnicodeEncodeError:
        return
    assert [native.get(key) for key in keys] == expected
    assert native.get_many(keys).tolist() == pure.get_many(keys).tolist() == expected
    assert all(0 <= partition < partitions for partition in expected)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 511, 512, 2000])
def test_batches_equal_single_keys(n):
    partitioner = fastblocks.KafkaPartitioner(37)
    answers = partitioner.get_many(np.arange(n))
    assert answers.dtype == np.int32
    assert answers.tolist() == [partitioner.get(key) for key in range(n)]


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pa.array, lambda k: pa.chunked_array([k[:1], k[1:]]), pd.Series],
    ids=["list", "tuple", "iterator", "NumPy", "Arrow array", "Arrow chunks", "pandas"],
)
def test_batches_of_every_kind(impl, make):
    partitioner = impl.KafkaPartitioner(37)
    words = [f"word{i}" for i in range(700)]
    out = np.empty(700, np.int32)
    assert partitioner.get_many(make(words), out=out) is out
    assert out.tolist() == [partitioner.get(word) for word in words]


def test_out_may_overlap_keys(impl):
    keys = np.arange(1000)
    partitioner = impl.KafkaPartitioner(37)
    expected = partitioner.get_many(keys.copy()).tolist()
    out = keys.view(np.int32)[-1000:]
    assert partitioner.get_many(keys, out=out) is out
    assert out.tolist() == expected


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [0, -1, 2**31, 10**30])
def test_partitions_out_of_range(impl, partitions):
    message = rf"^partitions must be in \[1, 2147483647\], not {partitions}$"
    with pytest.raises(ValueError, match=message):
        impl.KafkaPartitioner(partitions)


@pytest.mark.parametrize("partitions", [1.0, "1", None, True])
def test_partitions_of_another_type(impl, partitions):
    with pytest.raises(TypeError, match="partitions must be an int, not"):
        impl.KafkaPartitioner(partitions)


def test_wrong_calls(impl):
    for args in ((), (1, 2)):
        with pytest.raises(TypeError):
            impl.KafkaPartitioner(*args)


def test_bad_keys(impl):
    partitioner = impl.KafkaPartitioner(5)
    for call, error, message in (
        (lambda: partitioner.get(1.5), TypeError, "a key must be .* not float"),
        (lambda: partitioner.get(None), TypeError, "a key must be .* not NoneType"),
        (lambda: partitioner.get(2**64), OverflowError, "an int key must be in"),
        (lambda: partitioner.get("\ud800"), UnicodeEncodeError, "surrogates"),
        (lambda: partitioner.get_many(["a", None]), TypeError, r"keys\[1\]: a key must be"),
        (lambda: partitioner.get_many("abc"), TypeError, "not one str"),
        (lambda: partitioner.get_many(np.zeros(3)), TypeError, "not of dtype float64"),
        (lambda: partitioner.get_many(np.zeros((2, 2), int)), ValueError, "1-D array"),
        (lambda: partitioner.get_many(pa.array(["a", None])), ValueError, r"keys\[1\] is null"),
        (lambda: partitioner.get_many([1], out=np.zeros(1, int)), ValueError, "int32 array"),
        (lambda: partitioner.get_many([1], out=[0]), TypeError, "out must be a NumPy array"),
    ):
        with pytest.raises(error, match=message):
            call()


# ---- what it is ------------------------------------------------------------------------------


def test_it_is_a_value(impl):
    partitioner = impl.KafkaPartitioner(12)
    assert partitioner.partitions == 12
    assert repr(partitioner) == "KafkaPartitioner(12)"
    assert partitioner == impl.KafkaPartitioner(np.int64(12))
    assert partitioner != impl.KafkaPartitioner(13)
    assert partitioner != 12
    assert len({partitioner, impl.KafkaPartitioner(12), impl.KafkaPartitioner(13)}) == 2
    with pytest.raises(AttributeError):
        partitioner.partitions = 5
    with pytest.raises(AttributeError):
        partitioner.anything = 5


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(2, 6)),
    ],
)
def test_copies_are_equal(impl, duplicate):
    partitioner = impl.KafkaPartitioner(12)
    twin = duplicate(partitioner)
    assert type(twin) is impl.KafkaPartitioner
    assert twin == partitioner
    cls = type("Mine", (impl.KafkaPartitioner,), {})
    globals()["Mine"] = cls
    mine = cls(7)
    mine.topic = "orders"
    twin = duplicate(mine)
    assert type(twin) is cls
    assert (twin.partitions, twin.topic) == (7, "orders")


def test_threads_share_one():
    shared = fastblocks.KafkaPartitioner(12)
    keys = np.arange(20_000)
    expected = shared.get_many(keys).tobytes()

    def read():
        for _ in range(5):
            assert shared.get_many(keys).tobytes() == expected

    run_together(read, read, read, read)
