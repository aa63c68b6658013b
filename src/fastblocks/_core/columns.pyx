"""Columns of numbers, cell ids and short texts, in and out: the one place where they are recognised.

columns.pxd tells how functions use it. Arrays and Arrow columns of one chunk are read in place;
everything else is copied once into a NumPy array.
"""

from fastblocks._core import check, errors

from fastblocks._core.arrays cimport data_of, is_array, is_doubles, overlap, plain_array
from fastblocks._core.arrow cimport ArrowColumn, arrow_chunk_t, arrow_column, kind_of
from fastblocks._core.keys cimport (
    ARROW_TEXTS, FB_KEYS_PADDED, describe_chunk, fb_keys_layout_t, fb_keys_part_t,
)

cdef extern from "columns.h" nogil:
    size_t fb_first_outside(const double *x, size_t n, double low, double high)
    size_t fb_texts_widest(const fb_keys_part_t *part)
    size_t fb_texts_first_odd(const fb_keys_part_t *part)
    void fb_texts_pack(const fb_keys_part_t *part, size_t width, char *out)

__all__ = ["Batch"]

cdef double MOST = 1.7976931348623157e308


cdef class Batch:
    def __cinit__(self):
        self.arrays = []
        self.names = []
        self.shapes = []
        self.shape = ()
        self.n = 0

    # ---- in ----------------------------------------------------------------------------------

    cpdef object doubles(self, str name, object x, double low, double high):
        """Add a column of numbers in [low, high]."""
        array = self.numbers(name, x)
        cdef size_t at = first_outside(array, low, high)
        if at < <size_t>array.size:
            raise bad_item(name, array, at, f"in [{low:g}, {high:g}]")
        return self.add(name, array)

    cpdef object finite(self, str name, object x):
        """Add a column of finite numbers."""
        array = self.numbers(name, x)
        cdef size_t at = first_outside(array, -MOST, MOST)
        if at < <size_t>array.size:
            raise bad_item(name, array, at, "finite")
        return self.add(name, array)

    cpdef object latitudes(self, str name, object x):
        """Add a column of degrees in [-90, 90]."""
        return self.doubles(name, x, -90, 90)

    cpdef object longitudes(self, str name, object x):
        """Add a column of degrees, finite, which are wrapped to [-180, 180]."""
        return self.finite(name, x)

    cpdef object ids(self, str name, object x):
        """Add a column of integers in [0, 2**64)."""
        import numpy as np

        array = self.read(name, x, "iu", "an int or an array of ints")
        if array.dtype.kind == "i" and array.size and array.min() < 0:
            raise bad_item(name, array, int((array < 0).argmax()), f"in [0, {2**64 - 1}]")
        return self.add(name, plain_array(array.astype(np.uint64, copy=False)))

    cpdef object texts(self, str name, object x):
        """Add a column of texts: ASCII, without NUL."""
        return self.add(name, plain_array(self.read(name, x, "S", "a str or an array of str")))

    cdef object numbers(self, str name, object x):
        if is_doubles(x):
            return x
        import numpy as np

        array = self.read(name, x, "fiu", "a float or an array of floats")
        return plain_array(array.astype(np.float64, copy=False))

    cdef object read(self, str name, object x, str kinds, str wanted):
        """`x` as an array of a dtype of `kinds`."""
        array, kind = read_column(name, x, kinds, wanted)
        if self.kind is None:
            self.kind = kind
        return array

    cdef object add(self, str name, object array):
        self.names.append(name)
        self.arrays.append(array)
        self.shapes.append(array.shape)
        self.ready = False

    cpdef object broadcast(self):
        """Bring all columns to one shape."""
        import numpy as np

        if self.ready:
            return
        try:
            if all([shape == self.shapes[0] for shape in self.shapes]):
                self.shape = self.shapes[0]
            else:
                self.shape = np.broadcast_shapes(*self.shapes)
        except ValueError:
            raise ValueError(
                f"{', '.join(self.names)} must have shapes that broadcast together, not "
                + ", ".join(map(str, self.shapes))
            ) from None
        for k, array in enumerate(self.arrays):
            if array.shape != self.shape:
                self.arrays[k] = np.ascontiguousarray(np.broadcast_to(array, self.shape))
        self.n = 1
        for length in self.shape:
            self.n *= length
        self.ready = True

    cdef const void *data(self, Py_ssize_t k) noexcept:
        return data_of(self.arrays[k])

    # ---- out ---------------------------------------------------------------------------------

    cpdef object result(self, object out, str dtype, tuple more=()):
        """An array for the results: `out` if it is safe to write there at once."""
        fresh = self.scratch(out, dtype, more)
        if out is None or any([overlap(array, out) for array in self.arrays]):
            return fresh
        return out

    cpdef object scratch(self, object out, str dtype, tuple more=()):
        """An array for the results which is not `out`; checks `out`."""
        import numpy as np

        self.broadcast()
        if out is not None:
            check.out_shaped(out, self.shape + more, dtype)
        return np.empty(self.shape + more, dtype)

    cpdef object give(self, object result, object out):
        """The results as the call returns them."""
        if out is not None:
            if result is not out:
                out[...] = result
            return out
        if self.shape == () and result.shape == ():
            return plain_scalar(result[()])
        if self.kind is not None and result.ndim == 1 and result.shape == self.shape:
            return self.kind(result)
        return result

    cpdef object bad(self, Py_ssize_t k, Py_ssize_t at, str what):
        """The error for a bad item, by its index among all."""
        import numpy as np

        array = self.arrays[k]
        shape = self.shapes[k]
        value = array.ravel()[at]
        where = np.unravel_index(at, self.shape)[len(self.shape) - len(shape):]
        where = tuple([0 if size == 1 else i for i, size in zip(where, shape)])
        return error_at(self.names[k], where, what, value)

    # ---- for plain Python --------------------------------------------------------------------

    def rows(self):
        """Every item as a tuple of Python scalars; texts as str."""
        self.broadcast()
        columns = [map(plain_scalar, array.ravel()) for array in self.arrays]
        return list(zip(*columns, strict=True))

    def apply(self, function, dtypes, out=None):
        """`function` of every row, given back in kind: an array, or a tuple if `dtypes` is one."""
        several = isinstance(dtypes, tuple)
        each = dtypes if several else (dtypes,)
        outs = (None,) * len(each) if out is None else out if several else (out,)
        results = [self.scratch(o, d) for o, d in zip(outs, each, strict=True)]
        rows = [function(*row) for row in self.rows()]
        for k, result in enumerate(results):
            result.ravel()[:] = [row[k] for row in rows] if several else rows
        given = tuple([self.give(r, o) for r, o in zip(results, outs, strict=True)])
        return given if several else given[0]


cdef size_t first_outside(object array, double low, double high) noexcept:
    cdef size_t n = array.size, at
    cdef const double *x = <const double *>data_of(array)
    if n < RELEASE_GIL_FROM:
        return fb_first_outside(x, n, low, high)
    with nogil:
        at = fb_first_outside(x, n, low, high)
    return at


cdef object plain_scalar(object value):
    """A NumPy scalar as Python's; text as a str."""
    value = value.item()
    return value.decode() if isinstance(value, bytes) else value


# ---- errors ------------------------------------------------------------------------------------

cdef object place(name, where):
    """`name` with its index, if it has one: ``lat[17]``, ``lat[1, 2]``."""
    return f"{name}[{', '.join([str(int(i)) for i in where])}]" if where else name


cdef object error_at(name, where, what, value):
    """The error for one bad item."""
    return ValueError(f"{place(name, where)} must be {what}, not {plain_scalar(value)!r}")


cdef object bad_item(str name, object array, size_t at, str what):
    import numpy as np

    where = np.unravel_index(at, array.shape)
    return error_at(name, where, what, array[where])


# ---- one column --------------------------------------------------------------------------------

cdef object read_column(name, x, kinds, wanted):
    """Return `x` as an array whose dtype is of `kinds`, and how to give results back in its kind."""
    if isinstance(x, (bool, str, bytes)) or x is None:
        return scalar_array(name, x, kinds, wanted), None
    import numpy as np

    if isinstance(x, (int, float, np.generic)):
        return scalar_array(name, x, kinds, wanted), None
    kind = None
    if check.is_pandas_column(x):
        kind = PandasKind(x)
        array = pandas_array(name, x)
    elif is_array(x):
        array = x
    elif hasattr(x, "__arrow_c_array__") or hasattr(x, "__arrow_c_stream__"):
        kind = arrow_kind(x)
        array = arrow_array(name, x, kinds, wanted)
    elif hasattr(x, "__array__"):
        array = np.asarray(x)
    elif hasattr(x, "__len__") and hasattr(x, "__getitem__") and not isinstance(x, dict):
        array = sequence_array(name, x, kinds, wanted)
    else:
        raise TypeError(f"{name} must be {wanted}, not {type(x).__name__}")
    return fitting(name, array, kinds, wanted), kind


cdef object scalar_array(name, x, kinds, wanted):
    """A 0-D array of one scalar."""
    if kinds == "S":
        if not isinstance(x, (str, bytes)):
            raise TypeError(f"{name} must be {wanted}, not {type(x).__name__}")
        import numpy as np

        return np.array(ascii_text(name, x))
    if isinstance(x, bool) or not isinstance(x, (int, float)):
        if not hasattr(x, "dtype") or x.dtype.kind not in kinds:
            raise TypeError(f"{name} must be {wanted}, not {type(x).__name__}")
    elif isinstance(x, float) and "f" not in kinds:
        raise TypeError(f"{name} must be {wanted}, not {type(x).__name__}")
    import numpy as np

    if hasattr(x, "dtype"):
        return np.asarray(x)
    if "f" in kinds:
        try:
            return np.array(float(x))
        except OverflowError:
            return np.array(np.inf if x > 0 else -np.inf)
    if not 0 <= x < 2**64:
        shown = str(x) if x.bit_length() < 256 else f"an int of {x.bit_length()} bits"
        raise ValueError(f"{name} must be in [0, {2**64 - 1}], not {shown}")
    return np.array(x, np.uint64)


cdef object ascii_text(place, x):
    """A str or bytes as bytes: ASCII, without NUL."""
    try:
        text = x.encode("ascii") if isinstance(x, str) else bytes(x)
        text.decode("ascii")
    except (UnicodeEncodeError, UnicodeDecodeError):
        text = b"\0"
    if b"\0" in text:
        raise ValueError(f"{place} must be ASCII text, not {x!r}")
    return text


cdef object sequence_array(name, x, kinds, wanted):
    """A list, or anything of that kind, as an array: of objects if the items must be looked at."""
    import numpy as np

    try:
        array = np.asarray(x)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must be {wanted}, not a list of rows of different lengths") from None
    if array.size == 0:
        return np.empty(array.shape, EMPTY[kinds])
    if kinds == "S" or array.dtype.kind not in kinds or holds_bool(x):
        return np.asarray(x, object)
    return array


EMPTY = {"fiu": "f8", "iu": "u8", "S": "S1"}


cdef object holds_bool(x):
    """Whether a list holds a bool, which NumPy would take for a number."""
    return isinstance(x, (list, tuple)) and any([isinstance(item, bool) for item in x])


cdef object fitting(name, array, kinds, wanted):
    """An array, if its dtype is of `kinds` or its objects can be converted; else raise."""
    import numpy as np

    mask = array.mask if isinstance(array, np.ma.MaskedArray) else None
    if mask is not None and mask.any():
        raise errors.null_at(name, place(name, np.unravel_index(mask.argmax(), mask.shape)))
    array = np.asarray(array)
    kind = array.dtype.kind
    if kind in "OT" or (kinds == "S" and kind in "SU"):
        return object_array(name, array, kinds, wanted)
    if kind not in kinds:
        raise TypeError(f"{name} must be {wanted}, not of dtype {array.dtype}")
    return array


cdef bint plain_texts(object array) except -1:
    """Whether all texts of an S array are ASCII without NUL."""
    cdef fb_keys_part_t part
    cdef size_t odd
    array = plain_array(array)
    part.layout = FB_KEYS_PADDED
    part.n = array.size
    part.width = array.dtype.itemsize
    part.data = data_of(array)
    with nogil:
        odd = fb_texts_first_odd(&part)
    return odd == part.n


cdef object object_array(name, array, kinds, wanted):
    """Items one by one: Python objects, and texts of NumPy."""
    import numpy as np

    if array.dtype.kind == "S" and plain_texts(array):
        return array
    items = []
    for at, item in enumerate(array.ravel().tolist()):
        where = np.unravel_index(at, array.shape)
        if item is None:
            raise errors.null_at(name, place(name, where))
        if kinds == "S" and isinstance(item, (str, bytes)):
            items.append(ascii_text(place(name, where), item))
        else:
            items.append(scalar_array(place(name, where), item, kinds, wanted.split(" or ")[0]))
    dtype = None if kinds == "S" else np.uint64 if "f" not in kinds else np.float64
    if not items:
        return np.empty(array.shape, "S1" if dtype is None else dtype)
    return np.array(items, dtype).reshape(array.shape)


cdef object pandas_array(name, x):
    """A pandas Series or Index as an array."""
    if not check.is_numpy_column(x):
        nulls = x.isna()
        if nulls.any():
            raise errors.null_at(name, place(name, (nulls.argmax(),)))
    return x.to_numpy()


# ---- giving back in kind -----------------------------------------------------------------------

cdef object text_list(array):
    """An S array as a list of str."""
    return [text.decode() for text in array.tolist()]


class PandasKind:
    """Gives results back as a pandas Series with the index and the name of the one that came."""

    def __init__(self, column):
        import pandas

        self.index = column.index if isinstance(column, pandas.Series) else None
        self.name = column.name

    def __call__(self, array):
        import pandas

        data = text_list(array) if array.dtype.kind == "S" else array
        return pandas.Series(data, index=self.index, name=self.name)


class PolarsKind:
    """Gives results back as a polars Series with the name of the one that came."""

    def __init__(self, column):
        self.name = column.name

    def __call__(self, array):
        import polars

        if array.dtype.kind == "S":
            return polars.Series(self.name, text_list(array), dtype=polars.String)
        return polars.Series(self.name, array)


class PyArrowKind:
    """Gives results back as a pyarrow Array, or as a ChunkedArray of one chunk."""

    def __init__(self, column):
        self.chunked = hasattr(column, "chunks")

    def __call__(self, array):
        import pyarrow

        if array.dtype.kind == "S":
            given = pyarrow.array(text_list(array), pyarrow.string())
        else:
            given = pyarrow.array(array)
        return pyarrow.chunked_array([given]) if self.chunked else given


cdef object arrow_kind(x):
    """How results are given back for a column that exports itself as Arrow data."""
    if isinstance(x, check.loaded_classes("polars", "Series")):
        return PolarsKind(x)
    if isinstance(x, check.loaded_classes("pyarrow", "Array", "ChunkedArray")):
        return PyArrowKind(x)
    return None


# ---- Arrow -------------------------------------------------------------------------------------

cdef dict ARROW_DTYPES = {
    b"c": "i1", b"C": "u1", b"s": "i2", b"S": "u2", b"i": "i4", b"I": "u4", b"l": "i8", b"L": "u8",
    b"e": "f2", b"f": "f4", b"g": "f8",
}


class Memory:
    """Foreign memory as NumPy reads it, and what keeps it alive."""

    def __init__(self, owner, size_t address, size_t n, dtype):
        self.owner = owner
        self.__array_interface__ = {
            "version": 3, "shape": (n,), "typestr": "<" + dtype, "data": (address, True),
        }


cdef object arrow_array(str name, object x, str kinds, str wanted):
    """A column that exports itself as Arrow data, as an array: in place if it is one chunk of numbers."""
    cdef ArrowColumn column = arrow_column(name, x)
    cdef size_t i, before = 0
    cdef list arrays = []
    dtype = dtype_of(column, kinds, wanted)
    column.read()
    import numpy as np

    for i in range(column.n_chunks):
        if column.chunks[i].n == 0:
            continue
        if dtype is None:
            arrays.append(text_array(column, column.chunks + i, before))
        else:
            arrays.append(number_array(column, column.chunks + i, dtype))
        before += column.chunks[i].n
    if not arrays:
        return np.empty(0, "S1" if dtype is None else dtype)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


cdef object dtype_of(ArrowColumn column, str kinds, str wanted):
    """The dtype of a column of numbers, None of texts; raises if it does not fit."""
    if column.n_columns != 1:
        raise TypeError(f"{column.name} must be {wanted}, not a table of {column.n_columns} columns")
    if kinds == "S" and column.format in ARROW_TEXTS:
        return None
    dtype = ARROW_DTYPES.get(column.format)
    if dtype is None or dtype[0] not in kinds:
        raise TypeError(f"{column.name} must be {wanted}, not of Arrow type {kind_of(column)!r}")
    return dtype


cdef object number_array(ArrowColumn column, const arrow_chunk_t *chunk, str dtype):
    import numpy as np

    cdef size_t width = int(dtype[1])
    return np.asarray(Memory(column, <size_t>chunk.buffers[1] + width * chunk.offset, chunk.n, dtype))


cdef object text_array(ArrowColumn column, const arrow_chunk_t *chunk, size_t before):
    """A copy of a chunk of texts; `before` items came earlier."""
    cdef fb_keys_part_t part
    cdef int layout = ARROW_TEXTS[column.format]
    cdef size_t width, odd
    cdef char *to
    describe_chunk(&part, chunk, <fb_keys_layout_t>layout, 0)
    with nogil:
        odd = fb_texts_first_odd(&part)
        width = max(fb_texts_widest(&part), 1)
    if odd < part.n:
        raise ValueError(f"{column.name}[{before + odd}] must be ASCII text")
    import numpy as np

    texts = np.empty(part.n, f"S{width}")
    to = <char *>data_of(texts)
    with nogil:
        fb_texts_pack(&part, width, to)
    return texts
