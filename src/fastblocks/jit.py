"""The blocks inside `numba.njit` code.

Importing this module teaches Numba six functions and four classes; where fastblocks is installed,
Numba imports it by itself before it compiles anything. They are those of the family modules, here
under names that tell them apart. In compiled code they take scalars and hold no GIL, and they go
with ``cache=True``, in processes that come later too, and with ``parallel=True``.

``xxh3_64``, ``jump_hash``, ``geohash_encode_int``, ``s2_latlng_to_cell``, ``h3_latlng_to_cell``,
``haversine``
    As from Python.
`BloomFilter`
    ``key in bloom``, ``bloom.contains(key)``.
`FrequencySketch`, `CountMinSketch`
    ``sketch.estimate(key)``.
`HashRing`
    ``ring.get_index(key)``, of the nodes as they were when the compiled function was called.

Examples
--------
>>> import numba
>>> from fastblocks import HashRing, jit
>>> @numba.njit
... def node_of_place(ring, lat, lng):
...     return ring.get_index(jit.geohash_encode_int(lat, lng, 25))
>>> node_of_place(HashRing(["a", "b", "c"]), 38.71, -9.14)
0
"""

from __future__ import annotations

import math
import operator
from typing import Any

try:
    from numba import types
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "fastblocks.jit needs the package numba: pip install 'fastblocks[numba]'"
    ) from None

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.typing.typeof import Purpose
from numba.extending import (
    NativeValue,
    box,
    get_cython_function_address,
    intrinsic,
    make_attribute_wrapper,
    models,
    overload,
    overload_method,
    register_jitable,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.numpy_support import carray

from .filters import BloomFilter
from .geo.distance import haversine
from .geo.geohash import encode_int as geohash_encode_int
from .geo.h3 import latlng_to_cell as h3_latlng_to_cell
from .geo.s2 import latlng_to_cell as s2_latlng_to_cell
from .hashing import xxh3_64
from .ring import HashRing, jump_hash
from .sketches import CountMinSketch, FrequencySketch

__all__ = [
    "geohash_encode_int",
    "h3_latlng_to_cell",
    "haversine",
    "jump_hash",
    "s2_latlng_to_cell",
    "xxh3_64",
]


def _init() -> None:
    """What Numba calls before it compiles anything: having been imported is enough."""


# ---- C functions ---------------------------------------------------------------------------------
#
# An extension module tells the address of a `cdef` function that its .pxd declares. Compiled code
# refers to it by a name, which is given that address here: so it can be cached, and loaded by
# another process. A cache knows nothing of new versions of fastblocks: what the name of a function,
# or of a type below, stands for never changes, nor the answers of what is inlined.


def _symbol(module: str, name: str) -> str:
    """Give a C function a name that compiled code can refer to it by; return it."""
    symbol = f"fastblocks.{module}.{name}"
    llvmlite.binding.add_symbol(symbol, get_cython_function_address(f"fastblocks.{module}", name))
    return symbol


def _external(module: str, name: str, signature: Any) -> Any:
    """Return a C function as one that compiled code can call."""
    return types.ExternalFunction(_symbol(module, name), signature)


_u64, _i64, _f64, _pointer = types.uint64, types.int64, types.float64, types.voidptr
_hash_bytes = _external("hashing.xxh3", "hash_bytes", _u64(_pointer, types.uintp, _u64))
_encode = _external("hashing.xxh3", "encode", _i64(_pointer, types.uint32, types.uintp, _pointer))
_bucket_of = _external("ring.jump", "bucket_of", types.int32(_u64, types.int32))
_code_of = _external("geo.geohash", "code_of", _u64(_f64, _f64))
_s2_cell_of = _external("geo._s2_cells", "cell_of", _u64(_f64, _f64, types.int32))
_h3_cell_of = _external("geo._h3_geometry", "cell_of", _u64(_f64, _f64, types.int32))
_metres_between = _external("geo.distance", "metres_between", _f64(_f64, _f64, _f64, _f64))
_may_hold = _external("filters.bloom", "may_hold", types.int32(_pointer, _u64))
_frequency_of = _external("sketches.frequency", "frequency_of", _u64(_pointer, _u64))
_count_min_of = _external("sketches.count_min", "frequency_of", _u64(_pointer, _u64))
_node_of_word = _external("ring.hash_ring", "node_of_word", _i64(_pointer, _u64, _u64, types.int32))
_node_of_bytes = _external(
    "ring.hash_ring", "node_of_bytes", _i64(_pointer, _u64, _pointer, types.uintp)
)


# ---- inlined -------------------------------------------------------------------------------------
#
# What takes a few nanoseconds, as a call does, is compiled into the caller: the formulas of the C
# code, with which tests compare them. A caller's `fastmath` changes neither them nor the checks.

_EXACT: Any = {"fastmath": False}
_exact = register_jitable(**_EXACT)
_SPREADING = (  # bit i to bit 2 i: x = (x | x << shift) & mask
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)
_u: Any = np.uint64  # of every number: mixed with others, unsigned ones become floats


@_exact
def _rotated(x, bits):
    return x << _u(bits) | x >> _u(64 - bits)


@_exact
def _hash_word(word, seed):
    """The XXH3-64 of the 8 bytes of a word; see csrc/core/xxh3.h."""
    swapped = (seed & _u(0xFF)) << _u(24) | (seed & _u(0xFF00)) << _u(8)
    swapped |= seed >> _u(8) & _u(0xFF00) | seed >> _u(24) & _u(0xFF)
    key = _u(0xC73AB174C5ECD5A2) - (seed ^ swapped << _u(32))
    h = _rotated(word, 32) ^ key
    h ^= _rotated(h, 49) ^ _rotated(h, 24)
    h *= _u(0x9FB21C651E98DF25)
    h ^= (h >> _u(35)) + _u(8)
    h *= _u(0x9FB21C651E98DF25)
    return h ^ h >> _u(28)


@_exact
def _fixed(q):
    """The upper 32 bits of q in [-1, 1] as a fixed-point number of 64; of 1 as of what is below."""
    scaled = q * 2.0**63
    return _u(np.int64(min(scaled, 2.0**63 - 1024))) + _u(2**63) >> _u(32)


def _interleave(typing, x, y):
    """In compiled code: the bits of 32-bit x and y in turn, x first: both spread at once."""
    words, lane = ir.VectorType(ir.IntType(64), 2), ir.IntType(32)

    def generate(context, builder, signature, arguments):
        both = ir.Constant(words, ir.Undefined)
        for i, word in enumerate(arguments):
            both = builder.insert_element(both, word, lane(i))
        for shift, mask in _SPREADING:
            shifted = builder.shl(both, words([shift, shift]))
            both = builder.and_(builder.or_(both, shifted), words([mask, mask]))
        first, last = (builder.extract_element(both, lane(i)) for i in range(2))
        return builder.or_(builder.shl(first, first.type(1)), last)

    return _u64(_u64, _u64), generate


_interleaved: Any = intrinsic(_interleave)


@_exact
def _code_of_near(lat, lng):
    """The 64 bits of a geohash, of a longitude in [-180, 180); see csrc/geo/geohash.c."""
    return _interleaved(_fixed(lng / 180.0), _fixed(lat / 90.0))


# ---- arguments -----------------------------------------------------------------------------------


def _is_integer(kind: Any) -> bool:
    return isinstance(kind, (types.Integer, int))  # an int: a default


def _need_numbers(**kinds: Any) -> None:
    """Raise, when code is compiled, unless arguments are numbers."""
    for name, kind in kinds.items():
        if not isinstance(kind, (types.Integer, types.Float)):
            raise TypingError(f"{name} must be a float in compiled code, not {kind}")


def _need_integer(name: str, kind: Any) -> None:
    if not _is_integer(kind):
        raise TypingError(f"{name} must be an int, not {kind}")


def _checked(name: str, low: int, high: int) -> Any:
    """Return a function that raises unless a number is in [low, high]; NaN is not."""
    message = f"{name} must be in [{low}, {high}]"

    @_exact
    def check(value):
        if not low <= value <= high:
            raise ValueError(message)

    return check


def _finite(name: str) -> Any:
    """Return a function that raises unless a number is finite."""
    message = f"{name} must be finite"

    @_exact
    def check(value):
        if not math.isfinite(value):
            raise ValueError(message)

    return check


_check_lat, _check_lat1, _check_lat2 = (_checked(n, -90, 90) for n in ("lat", "lat1", "lat2"))
_check_lng, _check_lng1, _check_lng2 = map(_finite, ("lng", "lng1", "lng2"))
_check_bits = _checked("bits", 1, 64)
_check_level = _checked("level", 0, 30)
_check_res = _checked("res", 0, 15)
_check_buckets = _checked("buckets", 1, 2**31 - 1)
_check_seed = _checked("seed", 0, 2**64 - 1)


# ---- keys ----------------------------------------------------------------------------------------


def _is_word(key: Any) -> bool:
    """Tell whether a key is hashed as an integer; raise if it is no key."""
    if isinstance(key, (types.Integer, types.Boolean)):
        return True
    flat = isinstance(key, (types.Bytes, types.ByteArray, types.MemoryView)) and key.layout == "C"
    if not flat and not isinstance(key, types.UnicodeType):
        raise TypingError(f"a key must be str, bytes, bytearray, memoryview or int, not {key}")
    return False


def _bytes_of(key):
    """In compiled code: the bytes of a key that is no integer, in place if possible."""


@overload(_bytes_of)
def _bytes_of_compiled(key):
    if isinstance(key, types.UnicodeType):

        def encode(key):
            if key._is_ascii:
                return carray(key._data, (len(key),), np.uint8)
            encoded = np.empty(4 * len(key), np.uint8)
            size = _encode(key._data, key._kind, len(key), encoded.ctypes)
            if size < 0:
                raise ValueError("a str key must have a UTF-8 form: it holds a lone surrogate")
            return encoded[:size]

        return encode
    return lambda key: np.frombuffer(key, np.uint8)


def _hash(key, seed):
    """In compiled code: the XXH3-64 of a key."""


@overload(_hash)
def _hash_compiled(key, seed):
    if _is_word(key):
        return lambda key, seed: _hash_word(np.uint64(key), seed)

    def of_bytes(key, seed):
        data = _bytes_of(key)
        return _hash_bytes(data.ctypes, data.size, seed)

    return of_bytes


# ---- functions -----------------------------------------------------------------------------------


@overload(xxh3_64)
def _xxh3_64(key, seed=0):
    _is_word(key)
    _need_integer("seed", seed)

    def compiled(key, seed=0):
        _check_seed(seed)
        return _hash(key, np.uint64(seed))

    return compiled


@overload(jump_hash)
def _jump_hash(key, buckets):
    _need_integer("buckets", buckets)
    if _is_word(key):

        def of_word(key, buckets):
            _check_buckets(buckets)
            return np.int64(_bucket_of(np.uint64(key), np.int32(buckets)))

        return of_word

    def of_bytes(key, buckets):
        _check_buckets(buckets)
        return np.int64(_bucket_of(_hash(key, np.uint64(0)), np.int32(buckets)))

    return of_bytes


@overload(geohash_encode_int, jit_options=_EXACT)
def _geohash_encode_int(lat, lng, bits=60):
    _need_numbers(lat=lat, lng=lng)
    _need_integer("bits", bits)

    def compiled(lat, lng, bits=60):
        _check_bits(bits)
        _check_lat(lat)
        if -180 <= lng < 180:
            return _code_of_near(lat, lng) >> _u(64 - bits)
        _check_lng(lng)
        return _code_of(float(lat), float(lng)) >> _u(64 - bits)

    return compiled


@overload(s2_latlng_to_cell)
def _s2_latlng_to_cell(lat, lng, level=30):
    _need_numbers(lat=lat, lng=lng)
    _need_integer("level", level)

    def compiled(lat, lng, level=30):
        _check_level(level)
        _check_lat(lat)
        _check_lng(lng)
        return _s2_cell_of(float(lat), float(lng), np.int32(level))

    return compiled


@overload(h3_latlng_to_cell)
def _h3_latlng_to_cell(lat, lng, res):
    _need_numbers(lat=lat, lng=lng)
    _need_integer("res", res)

    def compiled(lat, lng, res):
        _check_res(res)
        _check_lat(lat)
        _check_lng(lng)
        return _h3_cell_of(float(lat), float(lng), np.int32(res))

    return compiled


@overload(haversine)
def _haversine(lat1, lng1, lat2, lng2):
    _need_numbers(lat1=lat1, lng1=lng1, lat2=lat2, lng2=lng2)

    def compiled(lat1, lng1, lat2, lng2):
        _check_lat1(lat1)
        _check_lng1(lng1)
        _check_lat2(lat2)
        _check_lng2(lng2)
        return _metres_between(float(lat1), float(lng1), float(lat2), float(lng2))

    return compiled


# ---- objects -------------------------------------------------------------------------------------
#
# In compiled code an object is the address of the C state that its methods work on, the seed of its
# hash, and a counted reference to what keeps that state in place: the object itself, and the points
# of a ring as they stood at the time of the call. It is read as batches read it, without a lock.


class Pinned(types.Type):
    """The type of an object of a fastblocks class in compiled code."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        super().__init__(name=f"fastblocks.{cls.__name__}")


@register_model(Pinned)
class _PinnedModel(models.StructModel):
    def __init__(self, manager: Any, kind: Pinned) -> None:
        members = [
            ("state", types.voidptr),
            ("seed", types.uint64),
            ("meminfo", types.MemInfoPointer(types.voidptr)),
            ("object", types.pyobject),  # kept by meminfo
        ]
        super().__init__(manager, kind, members)


make_attribute_wrapper(Pinned, "state", "_state")
make_attribute_wrapper(Pinned, "seed", "_seed")

_PINS = {
    BloomFilter: _symbol("filters.bloom", "pin"),
    FrequencySketch: _symbol("sketches.frequency", "pin"),
    CountMinSketch: _symbol("sketches.count_min", "pin"),
    HashRing: _symbol("ring.hash_ring", "pin"),
}


def _register(cls: type) -> None:
    """Tell Numba the type of a class's objects; not of constants: a cache could not hold them."""
    kind = Pinned(cls)
    typeof_impl.register(cls)(lambda value, c: kind if c.purpose is Purpose.argument else None)


for _cls in _PINS:
    _register(_cls)


@unbox(Pinned)
def _unbox_pinned(kind: Pinned, value: Any, c: Any) -> Any:
    native = cgutils.create_struct_proxy(kind)(c.context, c.builder)
    state, seed = native._get_ptr_by_name("state"), native._get_ptr_by_name("seed")
    function = ir.FunctionType(c.pyapi.pyobj, [c.pyapi.pyobj, state.type, seed.type])
    pin = cgutils.get_or_insert_function(c.builder.module, function, _PINS[kind.cls])
    keeper = c.builder.call(pin, [value, state, seed])
    failed = cgutils.is_null(c.builder, keeper)
    with c.builder.if_then(c.builder.not_(failed), likely=True):
        native.meminfo = c.pyapi.nrt_meminfo_new_from_pyobject(native.state, keeper)
        native.object = value
        c.pyapi.decref(keeper)  # meminfo has its own
    return NativeValue(native._getvalue(), is_error=failed)


@box(Pinned)
def _box_pinned(kind: Pinned, value: Any, c: Any) -> Any:
    native = cgutils.create_struct_proxy(kind)(c.context, c.builder, value=value)
    result = native.object
    c.pyapi.incref(result)
    c.context.nrt.decref(c.builder, kind, value)
    return result


def _is_pinned(kind: Any, cls: type) -> bool:
    return isinstance(kind, Pinned) and kind.cls is cls


@overload(operator.contains)
def _contains(container, key):
    if not _is_pinned(container, BloomFilter):
        return None
    _is_word(key)
    return lambda container, key: _may_hold(container._state, _hash(key, container._seed)) != 0


@overload_method(Pinned, "contains")
def _contains_method(bloom, key):
    if not _is_pinned(bloom, BloomFilter):
        return None
    return lambda bloom, key: key in bloom


@overload_method(Pinned, "estimate")
def _estimate(sketch, key):
    functions = {FrequencySketch: _frequency_of, CountMinSketch: _count_min_of}
    if sketch.cls not in functions:
        return None
    _is_word(key)
    estimate = functions[sketch.cls]
    return lambda sketch, key: np.int64(estimate(sketch._state, _hash(key, sketch._seed)))


@overload_method(Pinned, "get_index")
def _get_index(ring, key):
    if not _is_pinned(ring, HashRing):
        return None
    if _is_word(key):

        @register_jitable
        def find(ring, key):
            return _node_of_word(ring._state, ring._seed, np.uint64(key), np.int32(key < 0))

    else:

        @register_jitable
        def find(ring, key):
            data = _bytes_of(key)
            return _node_of_bytes(ring._state, ring._seed, data.ctypes, data.size)

    def compiled(ring, key):
        node = find(ring, key)
        if node < 0:
            raise LookupError("this HashRing has no nodes")
        return node

    return compiled
