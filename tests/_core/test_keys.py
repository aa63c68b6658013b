"""Keys of every kind, alone and in batches: what they hash to and how they are refused.

Seen through `xxh3_64` and `xxh3_64_many`, which do nothing else.
"""

import ctypes
import decimal
import fractions
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure

WORDS = ["", "a", "Ünïcödé", "日本語", "🙂🙃", "x" * 12, "y" * 13, "z" * 200, "a\0b", "café"]
BLOBS = [word.encode() for word in WORDS] + [b"\xff\x00\xfe"]
NOT_KEYS = [None, 1.5, ("a",), ["a"], {"a"}, object(), fractions.Fraction(1), decimal.Decimal(1)]


def one_by_one(impl, keys):
    return [impl.hashing.xxh3_64(key, 5) for key in keys]


def batch(impl, keys):
    return impl.hashing.xxh3_64_many(keys, 5).tolist()


# ---- one key ---------------------------------------------------------------------------------


def test_same_key_in_every_type(impl):
    h = impl.hashing.xxh3_64
    assert h("é") == h("é".encode()) == h(bytearray("é".encode())) == h(memoryview("é".encode()))
    assert h(np.str_("ab")) == h(np.bytes_(b"ab")) == h("ab")
    assert h(7) == h(np.int8(7)) == h(np.uint64(7)) == h((7).to_bytes(8, "little"))
    assert h(True) == h(1)
    assert h(-1) == h(2**64 - 1)
    assert h(0) != h("") != h("\0")


def test_memoryviews_of_every_layout(impl):
    h = impl.hashing.xxh3_64
    grid = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert h(memoryview(grid)) == h(grid.tobytes())
    assert h(memoryview(grid[:, ::2])) == h(grid[:, ::2].tobytes())
    assert h(memoryview(grid.T)) == h(memoryview(grid.T).tobytes())
    assert h(memoryview(b"abcdef")[::-2]) == h(b"fdb")
    assert h(memoryview(b"")) == h(b"")
    assert h(memoryview(np.zeros(2, "<i4, <f8"))) == h(bytes(24))


def test_str_subclasses_and_interned_strings(impl):
    class Name(str):
        pass

    assert impl.hashing.xxh3_64(Name("x")) == impl.hashing.xxh3_64("x")


@pytest.mark.parametrize("key", NOT_KEYS, ids=lambda k: type(k).__name__)
def test_other_types_are_refused(impl, key):
    message = f"a key must be str, bytes, bytearray, memoryview or int, not {type(key).__name__}"
    with pytest.raises(TypeError, match=message):
        impl.hashing.xxh3_64(key)
    with pytest.raises(TypeError, match=rf"keys\[1\]: {message}"):
        impl.hashing.xxh3_64_many(["a", key])
    with pytest.raises(TypeError, match=rf"keys\[1\]: {message}"):
        impl.hashing.xxh3_64_many(iter(["a", key]))


@pytest.mark.parametrize("key", [2**64, -(2**63) - 1, 10**100, -(10**100)])
def test_ints_out_of_range_are_refused(impl, key):
    with pytest.raises(OverflowError, match=r"an int key must be in \[-2\*\*63, 2\*\*64\), not"):
        impl.hashing.xxh3_64(key)
    with pytest.raises(OverflowError, match=r"keys\[0\]: an int key must be in"):
        impl.hashing.xxh3_64_many([key])


def test_huge_int_is_named_by_its_size(impl):
    with pytest.raises(OverflowError, match="an int of 1000001 bits"):
        impl.hashing.xxh3_64(1 << 1000000)


def test_str_without_utf8_form_is_refused(impl):
    for call in (
        lambda: impl.hashing.xxh3_64("\ud800"),
        lambda: impl.hashing.xxh3_64_many(["\ud800"]),
        lambda: impl.hashing.xxh3_64_many(np.array(["ok", "\ud800"])),
    ):
        with pytest.raises(UnicodeEncodeError):
            call()


def test_subclasses_that_lie_about_their_bytes(impl):
    class Text(str):
        def encode(self, *args):
            return b"lie"

    class Blob(bytes):
        def __bytes__(self):
            return b"lie"

    assert one_by_one(impl, [Text("x"), Blob(b"x")]) == one_by_one(impl, ["x", b"x"])
    assert batch(impl, [Text("x"), Blob(b"x")]) == one_by_one(impl, ["x", b"x"])


def test_arrays_are_no_single_key(impl):
    with pytest.raises(TypeError, match=r"a key must be .* not ndarray"):
        impl.hashing.xxh3_64(np.array([5]))


def test_surrogates_in_batches_tell_where(impl):
    with pytest.raises(UnicodeEncodeError, match=r"keys\[1\]"):
        impl.hashing.xxh3_64_many(["ok", "\ud800"])


def test_unaligned_arrays(impl):
    keys = np.zeros(8 * 700 + 1, "u1")[1:].view("u8")
    keys[:] = np.arange(700)
    assert batch(impl, keys) == one_by_one(impl, range(700))


def test_index_that_raises_is_passed_on(impl):
    class Bad:
        def __index__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        impl.hashing.xxh3_64(Bad())


# ---- Python iterables --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [list, tuple, iter, lambda k: (x for x in k), dict.fromkeys, lambda k: np.array(k, "O")]
)
def test_iterables(impl, make):
    keys = [*WORDS, *BLOBS[-1:], -3, 2**64 - 3, b"bytes"]
    assert batch(impl, make(keys)) == one_by_one(impl, keys)


@pytest.mark.parametrize("keys", ["abc", b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_a_bare_string_is_no_batch(impl, keys):
    with pytest.raises(TypeError, match=rf"not one {type(keys).__name__}; pass \[key\]"):
        impl.hashing.xxh3_64_many(keys)


@pytest.mark.parametrize("keys", [None, 5, 1.5, object()])
def test_not_iterable(impl, keys):
    with pytest.raises(TypeError, match=f"array or iterable of keys, not {type(keys).__name__}"):
        impl.hashing.xxh3_64_many(keys)


def test_iterator_that_raises(impl):
    def keys():
        yield "a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        impl.hashing.xxh3_64_many(keys())


def test_list_that_shrinks_while_read():
    class Shrinks:
        def __index__(self):
            keys.clear()
            return 1

    keys = [Shrinks(), "a", "b"]
    with pytest.raises(RuntimeError, match="changed size"):
        fastblocks.hashing.xxh3_64_many(keys)


@pytest.mark.parametrize("make", [list, tuple, iter, lambda k: np.array(k, "i8")])
def test_empty(impl, make):
    assert batch(impl, make([])) == []


# ---- NumPy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">i4", ">i8", ">u8"]
)
@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1500])
def test_integer_arrays(impl, dtype, n):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(n)
    keys = rng.integers(limits.min, limits.max, n, dtype=np.dtype(dtype).newbyteorder("="),
                        endpoint=True).astype(dtype)  # fmt: skip
    assert batch(impl, keys) == one_by_one(impl, keys.tolist())


def test_strings_in_arrays(impl):
    assert batch(impl, np.array(WORDS)) == one_by_one(impl, WORDS)
    assert batch(impl, np.array(WORDS).astype(">U200")) == one_by_one(impl, WORDS)
    blobs = [b"", b"a", b"abc", b"a\0b", b"x" * 40]
    assert batch(impl, np.array(blobs)) == one_by_one(impl, blobs)
    assert batch(impl, np.array([b"a", b"b\0\0"], "S5")) == one_by_one(impl, [b"a", b"b"])
    assert batch(impl, np.array(["", ""], "U1")) == one_by_one(impl, ["", ""])


@given(words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=12))
def test_any_text_in_arrays(words):
    words = [word.rstrip("\0") for word in words]  # NumPy drops trailing zeros
    expected = one_by_one(fastblocks, words)
    assert batch(fastblocks, np.array(words, dtype="U8")) == expected
    assert batch(fastblocks, words) == expected
    assert batch(fastblocks, pa.array(words, pa.string())) == expected
    assert batch(fastblocks, pa.array(words, pa.string_view())) == expected
    assert batch(fastblocks.pure, words) == expected


def test_variable_width_strings_of_numpy_2(impl):
    keys = np.array(WORDS, dtype=np.dtypes.StringDType())
    assert batch(impl, keys) == one_by_one(impl, WORDS)


def test_code_point_above_unicode_is_refused():
    keys = np.array([0x61, 0x110000], np.uint32).view("U1")
    with pytest.raises(ValueError, match=r"keys\[1\] holds a code point above U\+10FFFF"):
        fastblocks.hashing.xxh3_64_many(keys)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2],
        lambda a: a[::-1],
        lambda a: a.reshape(50, 20)[:, 3],
        lambda a: np.lib.stride_tricks.as_strided(a, (50,), (0,)),
    ],
)
def test_strided_and_read_only_arrays(impl, view):
    for keys in (np.arange(1000), np.arange(1000).astype("S4"), np.arange(1000).astype("U4")):
        keys = view(keys)
        keys.flags.writeable = False
        assert batch(impl, keys) == one_by_one(impl, keys.tolist())


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "?", "M8[s]", "m8[s]", "V4", "f2"])
def test_other_dtypes_are_refused(impl, dtype):
    with pytest.raises(TypeError, match="array of integers, strings or bytes, not of dtype"):
        impl.hashing.xxh3_64_many(np.zeros(3, dtype))


@pytest.mark.parametrize("shape", [(), (2, 3), (0, 1)])
def test_other_shapes_are_refused(impl, shape):
    with pytest.raises(ValueError, match=r"keys must be a 1-D array, not one of shape \("):
        impl.hashing.xxh3_64_many(np.zeros(shape, np.int64))


def test_masked_arrays(impl):
    good = np.ma.MaskedArray([1, 2, 3], mask=[0, 0, 0])
    assert batch(impl, good) == one_by_one(impl, [1, 2, 3])
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        impl.hashing.xxh3_64_many(np.ma.MaskedArray([1, 2, 3], mask=[0, 1, 1]))


# ---- Arrow ---------------------------------------------------------------------------------------

ARROW_TYPES = [pa.string(), pa.large_string(), pa.string_view()]
ARROW_BLOB_TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]
ARROW_INTS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(),
              pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]  # fmt: skip


@pytest.mark.parametrize("type_", ARROW_TYPES, ids=str)
def test_arrow_strings(impl, type_):
    keys = WORDS * 60
    array = pa.array(keys, type_)
    expected = one_by_one(impl, keys)
    assert batch(impl, array) == expected
    assert batch(impl, array.slice(3, 500)) == expected[3:503]
    assert batch(impl, array.slice(3, 0)) == []
    chunks = pa.chunked_array([array.slice(0, 7), array.slice(7, 0), array.slice(7)])
    assert batch(impl, chunks) == expected


@pytest.mark.parametrize("type_", ARROW_BLOB_TYPES, ids=str)
def test_arrow_binary(impl, type_):
    assert batch(impl, pa.array(BLOBS, type_)) == one_by_one(impl, BLOBS)


def test_arrow_fixed_size_binary(impl):
    blobs = [b"abc", b"\0\0\0", b"xyz"]
    array = pa.array(blobs, pa.binary(3))
    assert batch(impl, array) == one_by_one(impl, blobs)
    assert batch(impl, array.slice(1)) == one_by_one(impl, blobs[1:])


@pytest.mark.parametrize("type_", ARROW_INTS, ids=str)
def test_arrow_integers(impl, type_):
    limits = np.iinfo(type_.to_pandas_dtype())
    keys = [limits.min, limits.max, 0, 1, 77] * 150
    array = pa.array(keys, type_)
    assert batch(impl, array) == one_by_one(impl, keys)
    assert batch(impl, array.slice(11, 600)) == one_by_one(impl, keys[11:611])


def test_arrow_empty(impl):
    assert batch(impl, pa.array([], pa.string())) == []
    assert batch(impl, pa.chunked_array([], pa.string())) == []


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.int64(), pa.string_view(), pa.binary(1)], ids=str
)
def test_arrow_nulls_are_refused(impl, type_):
    good = 5 if type_ == pa.int64() else "x"
    array = pa.array([good] * 20 + [None, good], type_)
    for keys, at in [(array, 20), (array.slice(18), 2), (pa.chunked_array([array[:3], array]), 23)]:
        with pytest.raises(ValueError, match=rf"keys must not hold nulls: keys\[{at}\] is null"):
            impl.hashing.xxh3_64_many(keys)
    assert len(batch(impl, array.slice(0, 20))) == 20  # the null lies outside the slice


@pytest.mark.parametrize(
    "keys",
    [
        pa.array([1.5]),
        pa.array([True]),
        pa.array([None]),
        pa.array([[1]]),
        pa.array([{"a": 1.5}]),
        pa.array(["a"]).dictionary_encode(),
        pa.chunked_array([[1.5]]),
    ],
    ids=lambda k: str(k.type),
)
def test_other_arrow_types_are_refused(impl, keys):
    with pytest.raises(
        TypeError, match="keys must be an Arrow array of integers, strings or binary"
    ):
        impl.hashing.xxh3_64_many(keys)


def test_arrow_tables_of_one_column(impl):
    expected = one_by_one(impl, WORDS)
    table = pa.table({"x": WORDS})
    assert batch(impl, table) == expected
    assert batch(impl, pa.concat_tables([table.slice(0, 3), table.slice(3)])) == expected
    assert batch(impl, table.to_batches()[0].slice(2)) == expected[2:]
    assert batch(impl, pl.DataFrame({"x": WORDS})) == expected
    assert batch(impl, pa.array([{"x": word} for word in WORDS]).slice(1, 5)) == expected[1:6]
    for nulls in (
        pa.table({"x": ["a", None]}),
        pa.array([{"x": "a"}, None]),
        pa.array([{"x": 0}, {"x": "a"}, {"x": None}][1:], pa.struct({"x": pa.string()})),
    ):
        with pytest.raises(ValueError, match=r"keys\[1\] is null"):
            impl.hashing.xxh3_64_many(nulls)
    with pytest.raises(TypeError, match="struct of 2 columns"):
        impl.hashing.xxh3_64_many(pa.table({"x": WORDS, "y": WORDS}))


class Used:
    """Exports the same capsules every time, as nobody should."""

    def __init__(self, **methods):
        for name, result in methods.items():
            setattr(type(self), name, lambda self, schema=None, result=result: result)


def test_arrow_data_that_were_consumed_are_refused():
    class UsedStream(Used):
        pass

    class UsedArray(Used):
        pass

    stream = UsedStream(__arrow_c_stream__=pa.chunked_array([["a"]]).__arrow_c_stream__())
    array = UsedArray(__arrow_c_array__=pa.array(["a"]).__arrow_c_array__())
    assert len(fastblocks.hashing.xxh3_64_many(stream)) == 1
    pa.array(array)
    for used in (stream, array):
        with pytest.raises(ValueError, match="consumed or moved elsewhere before"):
            fastblocks.hashing.xxh3_64_many(used)


def test_arrow_extension_types_are_their_storage(impl):
    uuids = pa.array([bytes(range(16)), bytes(16)], pa.uuid())
    assert batch(impl, uuids) == one_by_one(impl, [bytes(range(16)), bytes(16)])


def test_arrow_strings_that_are_no_utf8_are_their_bytes(impl):
    words = pa.array([b"\xff", b"ok"], pa.binary()).view(pa.string())
    assert batch(impl, words) == one_by_one(impl, [b"\xff", b"ok"])


class FailingStream:
    """An Arrow stream of int64 that breaks where it is told to."""

    def __init__(self, fails_at):
        self.words = ctypes.create_string_buffer(b"broken on purpose")
        words_at = ctypes.addressof(self.words)

        def get_schema(stream, out):
            if fails_at == "schema":
                return 5
            pa.int64()._export_to_c(out)
            return 0

        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.callbacks = (
            ctypes.CFUNCTYPE(number, pointer, pointer)(get_schema),
            ctypes.CFUNCTYPE(number, pointer, pointer)(lambda stream, out: 5),
            ctypes.CFUNCTYPE(pointer, pointer)(lambda stream: words_at),
            ctypes.CFUNCTYPE(None, pointer)(lambda stream: None),
        )
        addresses = [ctypes.cast(c, pointer).value for c in self.callbacks]
        self.struct = (pointer * 5)(*addresses, None)  # then private_data

    def __arrow_c_stream__(self, requested_schema=None):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(self.struct), b"arrow_array_stream", None)


@pytest.mark.parametrize("fails_at", ["schema", "chunk"])
def test_arrow_stream_that_fails(fails_at):
    with pytest.raises(ValueError, match="the Arrow stream failed: broken on purpose"):
        fastblocks.hashing.xxh3_64_many(FailingStream(fails_at))


def test_polars(impl):
    expected = one_by_one(impl, WORDS)
    assert batch(impl, pl.Series(WORDS)) == expected
    assert (
        batch(impl, pl.concat([pl.Series(WORDS), pl.Series(WORDS)], rechunk=False)) == 2 * expected
    )
    assert batch(impl, pl.Series([1, 2, 3], dtype=pl.UInt16)) == one_by_one(impl, [1, 2, 3])
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        impl.hashing.xxh3_64_many(pl.Series(["a", None]))


def test_pandas_without_pyarrow(impl, monkeypatch):
    words, ints = pd.Series(WORDS, dtype="string"), pd.Series([1, 2], dtype="Int64")
    nulls = [pd.Series(["a", None], dtype="string"), pd.Series([1, None], dtype="Int64")]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert batch(impl, words) == one_by_one(impl, WORDS)
    assert batch(impl, ints) == one_by_one(impl, [1, 2])
    for column in nulls:
        with pytest.raises(ValueError, match=r"keys\[1\] is null"):
            impl.hashing.xxh3_64_many(column)


def test_pandas(impl):
    expected = one_by_one(impl, WORDS)
    for dtype in ("object", "str", "string"):
        assert batch(impl, pd.Series(WORDS, dtype=dtype)) == expected
    assert batch(impl, pd.Series([1, 2, 3], index=[7, 8, 9])) == one_by_one(impl, [1, 2, 3])
    assert batch(impl, pd.Index([1, 2, 3])) == one_by_one(impl, [1, 2, 3])
    assert batch(impl, pd.Series([1, 2], dtype="Int64")) == one_by_one(impl, [1, 2])
    with pytest.raises(TypeError, match="dtype float64"):
        impl.hashing.xxh3_64_many(pd.Series([1.5]))
    for bad in (pd.Series(["a", None], dtype="object"), pd.Series([1, None], dtype="Int64")):
        with pytest.raises((TypeError, ValueError), match=r"null|NoneType|NAType"):
            impl.hashing.xxh3_64_many(bad)
