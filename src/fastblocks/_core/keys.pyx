"""Keys of every kind to 64-bit hashes: the one place where keys are recognised.

Batches are described to C as parts (csrc/core/keys.h) without copying, except arrays that are
strided or byte-swapped, and Python objects, of which only the hashes are kept.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_Check
from cpython.bytes cimport PyBytes_Check, PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_AsUnsignedLongLong, PyLong_CheckExact
from cpython.memoryview cimport PyMemoryView_Check
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc

import operator

from fastblocks._core import check, errors

from fastblocks._core.arrays cimport data_of, is_array, out_array, overlap, plain_array
from fastblocks._core.arrow cimport arrow_column, kind_of
from fastblocks._core.cpu cimport fb_cpu_level

cdef extern from "keys.h" nogil:
    size_t fb_keys_first_bad_ucs4(const uint32_t *data, size_t n, size_t width)
    const uint8_t *fb_keys_bytes(const fb_keys_part_t *part, size_t at, size_t *len)
    uint64_t fb_keys_word(const fb_keys_part_t *part, size_t at)

cdef extern from "pykeys.h":
    PyObject *fb_py_list_item(object list, Py_ssize_t i)
    void fb_py_list_prefetch(object list, Py_ssize_t i)
    int fb_py_hash_by(object key, const fb_hasher_t *hasher, uint64_t *h) except -1

cdef enum:
    PREFETCH_AHEAD = 12  # list items whose memory is asked for before their turn


cdef uint64_t seed_other(object seed) except? 0xC7A3:
    return check.seed64(seed)


# ---- one key ---------------------------------------------------------------------------------

cdef int hash_other(object key, uint64_t seed, uint64_t *h) except -1:
    cdef Py_buffer view
    if PyByteArray_Check(key) or PyMemoryView_Check(key):
        if PyMemoryView_Check(key) and not key.c_contiguous:
            key = key.tobytes()
        PyObject_GetBuffer(key, &view, PyBUF_SIMPLE)
        h[0] = fb_xxh3_64(view.buf, view.len, seed)
        PyBuffer_Release(&view)
    else:
        try:
            number = operator.index(key)
        except TypeError:
            raise errors.key_type(key) from None
        h[0] = fb_xxh3_64_u64(word_of_int(number), seed)
    return 0


cdef uint64_t hash_key_by(object key, const fb_hasher_t *hasher) except? 0xC7A3:
    cdef uint64_t h
    cdef Py_buffer view
    if fb_py_hash_by(key, hasher, &h):
        return h
    if PyByteArray_Check(key) or PyMemoryView_Check(key):
        if PyMemoryView_Check(key) and not key.c_contiguous:
            key = key.tobytes()
        PyObject_GetBuffer(key, &view, PyBUF_SIMPLE)
        h = hasher.bytes(<const uint8_t *>view.buf, view.len)
        PyBuffer_Release(&view)
        return h
    try:
        number = operator.index(key)
    except TypeError:
        raise errors.key_type(key) from None
    return hasher.integer(word_of_int(number), number < 0)


cdef uint64_t word_of_int(object key) except? 0xC7A3:
    """The 64 bits of an int key, in two's complement."""
    if not -2**63 <= key < 2**64:
        raise errors.key_range(key)
    return PyLong_AsUnsignedLongLong(key if key >= 0 else key + 2**64)


cdef object plain_key(object key):
    if PyUnicode_CheckExact(key) or PyBytes_CheckExact(key) or PyLong_CheckExact(key):
        return key
    if PyUnicode_Check(key):
        return str.__str__(key)
    if PyBytes_Check(key) or PyByteArray_Check(key) or PyMemoryView_Check(key):
        return memoryview(key).tobytes()
    return operator.index(key)


# ---- batches -----------------------------------------------------------------------------------

cdef class KeyBatch:
    def __dealloc__(self):
        free(self.memory)
        free(self.parts)

    cdef fb_keys_cursor_t cursor(self) noexcept nogil:
        return fb_keys_cursor_t(self.parts, self.n_parts, 0, 0)

    cdef fb_keys_part_t *new_parts(self, size_t n) except NULL:
        self.parts = <fb_keys_part_t *>calloc(n if n else 1, sizeof(fb_keys_part_t))
        if self.parts == NULL:
            raise MemoryError()
        self.n_parts = n
        return self.parts

    cdef object result_array(self, object out, str dtype):
        result = out_array(out, self.n, dtype)
        if out is None or (self.column is None and (self.array is None or not overlap(self.array, out))):
            return result
        return out_array(None, self.n, dtype)

    cdef object key_at(self, size_t i):
        cdef const fb_keys_part_t *part = self.parts
        cdef const uint8_t *data
        cdef uint64_t word
        cdef size_t length = 0
        if self.items is not None:
            return plain_key(self.items[i])
        while i >= part.n:
            i -= part.n
            part += 1
        if FB_KEYS_INT8 <= part.layout <= FB_KEYS_UINT64:
            word = fb_keys_word(part, i)
            if part.layout == FB_KEYS_UINT64:
                return word
            return <int64_t>word
        data = fb_keys_bytes(part, i, &length)
        if self.text:
            try:
                return PyUnicode_DecodeUTF8(<const char *>data, length, NULL)
            except UnicodeDecodeError:  # in an Arrow string, whose maker did not check
                pass
        return PyBytes_FromStringAndSize(<const char *>data, length)


cdef KeyBatch key_batch(
    object keys, uint64_t seed, bint hold=False, const fb_hasher_t *hasher=NULL
):
    cdef KeyBatch batch = KeyBatch.__new__(KeyBatch)
    batch.hasher = hasher
    if hold:
        batch.items = []
    if PyList_CheckExact(keys):
        read_list(batch, list(keys) if hold else keys, seed)
    elif is_array(keys):
        read_array(batch, keys, seed)
    elif isinstance(keys, (str, bytes, bytearray, memoryview)):
        raise errors.bare_string(keys)
    elif check.is_numpy_column(keys):
        read_array(batch, keys.to_numpy(), seed)
    else:
        try:
            column = arrow_column("keys", keys)
        except ImportError:  # pandas columns can be read without pyarrow
            if not check.is_pandas_column(keys):
                raise
            column = None
        if column is not None:
            read_arrow(batch, column)
        elif check.is_pandas_column(keys):
            read_list(batch, check.pandas_items(keys), seed)
        else:
            read_iterable(batch, keys, seed)
    return batch


# ---- Python objects: hashed at once, under the GIL ------------------------------------------------

cdef int hash_item(
    object key, Py_ssize_t i, uint64_t seed, const fb_hasher_t *hasher, uint64_t *h
) except -1:
    try:
        h[0] = hash_key(key, seed) if hasher == NULL else hash_key_by(key, hasher)
    except (TypeError, OverflowError, UnicodeEncodeError) as error:
        raise errors.in_batch(error, i) from error
    return 0


cdef int read_list(KeyBatch batch, list keys, uint64_t seed) except -1:
    cdef Py_ssize_t i, n = len(keys)
    cdef PyObject *item
    cdef uint64_t *hashes = <uint64_t *>malloc(max(n, 1) * sizeof(uint64_t))
    if hashes == NULL:
        raise MemoryError()
    batch.memory = hashes
    try:
        for i in range(n):
            fb_py_list_prefetch(keys, i + PREFETCH_AHEAD)
            item = fb_py_list_item(keys, i)
            if item == NULL:
                raise RuntimeError("keys: the list changed size while it was read")
            try:
                if batch.hasher != NULL:
                    hashes[i] = hash_key_by(<object>item, batch.hasher)
                elif not fb_py_hash_common(<object>item, seed, hashes + i):
                    hash_other(<object>item, seed, hashes + i)
                    if batch.items is not None:  # what can be changed is held as it is now
                        keys[i] = plain_key(<object>item)
            finally:
                Py_DECREF(<object>item)
    except (TypeError, OverflowError, UnicodeEncodeError) as error:
        raise errors.in_batch(error, i) from error
    if batch.items is not None:
        batch.items = keys
    return hold_hashes(batch, n)


cdef int read_iterable(KeyBatch batch, object keys, uint64_t seed) except -1:
    try:
        iterator = iter(keys)
    except TypeError:
        raise errors.not_iterable(keys) from None
    if batch.items is not None:
        return read_list(batch, list(iterator), seed)
    cdef size_t n = 0, room = 0
    cdef uint64_t *hashes
    for key in iterator:
        if n == room:
            room = 2 * room if room else 64
            hashes = <uint64_t *>realloc(batch.memory, room * sizeof(uint64_t))
            if hashes == NULL:
                raise MemoryError()
            batch.memory = hashes
        hash_item(key, n, seed, batch.hasher, <uint64_t *>batch.memory + n)
        n += 1
    return hold_hashes(batch, n)


cdef int hold_hashes(KeyBatch batch, size_t n) except -1:
    cdef fb_keys_part_t *part = batch.new_parts(1)
    part.layout = FB_KEYS_HASHES
    part.data = batch.memory
    part.n = batch.n = n
    return 0


# ---- NumPy -------------------------------------------------------------------------------------

cdef dict INT_LAYOUTS = {
    ("i", 1): FB_KEYS_INT8, ("i", 2): FB_KEYS_INT16, ("i", 4): FB_KEYS_INT32,
    ("i", 8): FB_KEYS_INT64, ("u", 1): FB_KEYS_UINT8, ("u", 2): FB_KEYS_UINT16,
    ("u", 4): FB_KEYS_UINT32, ("u", 8): FB_KEYS_UINT64,
}


cdef int read_array(KeyBatch batch, object array, uint64_t seed) except -1:
    cdef str kind = check.key_array(array)
    if kind == "O" or kind == "T":
        return read_list(batch, array.tolist(), seed)
    array = plain_array(array)
    cdef fb_keys_part_t *part = batch.new_parts(1)
    batch.items = None
    batch.array = array
    batch.text = kind == "U"
    part.n = batch.n = array.size
    part.data = data_of(array)
    part.width = array.dtype.itemsize
    if kind == "S":
        part.layout = FB_KEYS_PADDED
    elif kind == "U":
        part.layout = FB_KEYS_UCS4
        part.width //= 4
        check_ucs4(part, array)
        batch.memory = malloc(4 * part.width + 1)
        if batch.memory == NULL:
            raise MemoryError()
        part.scratch = <uint8_t *>batch.memory
    else:
        part.layout = INT_LAYOUTS[kind, array.dtype.itemsize]
    return 0


cdef int check_ucs4(fb_keys_part_t *part, object array) except -1:
    cdef size_t bad
    with nogil:
        bad = fb_keys_first_bad_ucs4(<const uint32_t *>part.data, part.n, part.width)
    if bad < part.n:
        if max(array[bad:bad + 1].view("u4")) > 0x10FFFF:
            raise ValueError(f"keys[{bad}] holds a code point above U+10FFFF")
        str(array[bad]).encode()  # a surrogate: raises the UnicodeEncodeError that a str key would
    return 0


# ---- Arrow -------------------------------------------------------------------------------------

# By the formats of Arrow: layouts, and those of integers with their width.
ARROW_TEXTS = {
    b"u": FB_KEYS_OFFSET32, b"U": FB_KEYS_OFFSET64, b"vu": FB_KEYS_VIEWS,
    b"z": FB_KEYS_OFFSET32, b"Z": FB_KEYS_OFFSET64, b"vz": FB_KEYS_VIEWS,
}
cdef dict ARROW_INTS = {
    b"c": (FB_KEYS_INT8, 1), b"C": (FB_KEYS_UINT8, 1), b"s": (FB_KEYS_INT16, 2), b"S": (FB_KEYS_UINT16, 2),
    b"i": (FB_KEYS_INT32, 4), b"I": (FB_KEYS_UINT32, 4), b"l": (FB_KEYS_INT64, 8), b"L": (FB_KEYS_UINT64, 8),
}


cdef int read_arrow(KeyBatch batch, ArrowColumn column) except -1:
    cdef fb_keys_part_t *parts
    cdef size_t i, width = 0
    cdef int layout
    if column.n_columns != 1:
        raise errors.arrow_format(f"struct of {column.n_columns} columns")
    if column.format in ARROW_TEXTS:
        layout = ARROW_TEXTS[column.format]
    elif column.format in ARROW_INTS:
        layout, width = ARROW_INTS[column.format]
    elif column.format.startswith(b"w:"):
        layout, width = FB_KEYS_FIXED, int(column.format[2:])
    else:
        raise errors.arrow_format(kind_of(column))
    column.read()
    parts = batch.new_parts(column.n_chunks)
    for i in range(column.n_chunks):
        describe_chunk(parts + i, column.chunks + i, <fb_keys_layout_t>layout, width)
    batch.column = column
    batch.n = column.n
    batch.items = None
    batch.text = column.format in (b"u", b"U", b"vu")
    return 0


cdef void describe_chunk(
    fb_keys_part_t *part, const arrow_chunk_t *chunk, fb_keys_layout_t layout, size_t width
) noexcept:
    cdef const uint8_t *data = <const uint8_t *>chunk.buffers[1]
    part.layout = layout
    part.n = chunk.n
    if layout == FB_KEYS_OFFSET32 or layout == FB_KEYS_OFFSET64:
        part.offsets = data + chunk.offset * (4 if layout == FB_KEYS_OFFSET32 else 8)
        part.data = chunk.buffers[2]
    elif layout == FB_KEYS_VIEWS:
        part.data = data + 16 * chunk.offset
        part.buffers = chunk.buffers + 2
    else:
        part.width = width
        part.data = data + width * chunk.offset


fb_cpu_level()
