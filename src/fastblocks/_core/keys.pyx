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
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.ref cimport Py_DECREF
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport strcmp

import operator

from fastblocks._core import check, errors

from fastblocks._core.arrays cimport data_of, is_array, out_array, overlap, plain_array
from fastblocks._core.cpu cimport fb_cpu_level

cdef extern from "keys.h" nogil:
    size_t fb_keys_first_bad_ucs4(const uint32_t *data, size_t n, size_t width)
    const uint8_t *fb_keys_bytes(const fb_keys_part_t *part, size_t at, size_t *len)
    uint64_t fb_keys_word(const fb_keys_part_t *part, size_t at)

cdef extern from "pykeys.h":
    PyObject *fb_py_list_item(object list, Py_ssize_t i)
    void fb_py_list_prefetch(object list, Py_ssize_t i)
    int fb_py_hash_by(object key, const fb_hasher_t *hasher, uint64_t *h) except -1

cdef extern from "arrow_abi.h":
    struct ArrowSchema:
        const char *format
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *)
    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        const void **buffers
        ArrowArray **children
        void (*release)(ArrowArray *)
    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *)
        int (*get_next)(ArrowArrayStream *, ArrowArray *)
        const char *(*get_last_error)(ArrowArrayStream *)
        void (*release)(ArrowArrayStream *)

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
    def __cinit__(self):
        self.owners = ()

    def __dealloc__(self):
        cdef ArrowArray *chunks = <ArrowArray *>self.chunks
        cdef size_t i
        for i in range(self.n_chunks):
            chunks[i].release(&chunks[i])
        free(self.chunks)
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
        if out is None or not (self.foreign or (self.array is not None and overlap(self.array, out))):
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
    elif hasattr(keys, "__arrow_c_array__"):
        read_arrow_array(batch, keys)
    elif hasattr(keys, "__arrow_c_stream__"):
        try:
            capsule = keys.__arrow_c_stream__()
        except ImportError:  # pandas columns can be read without pyarrow
            if not check.is_pandas_column(keys):
                raise
            read_list(batch, check.pandas_items(keys), seed)
        else:
            read_arrow_stream(batch, keys, capsule)
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

cdef dict ARROW_LAYOUTS = {
    b"c": FB_KEYS_INT8, b"C": FB_KEYS_UINT8, b"s": FB_KEYS_INT16, b"S": FB_KEYS_UINT16,
    b"i": FB_KEYS_INT32, b"I": FB_KEYS_UINT32, b"l": FB_KEYS_INT64, b"L": FB_KEYS_UINT64,
    b"u": FB_KEYS_OFFSET32, b"z": FB_KEYS_OFFSET32, b"U": FB_KEYS_OFFSET64,
    b"Z": FB_KEYS_OFFSET64, b"vu": FB_KEYS_VIEWS, b"vz": FB_KEYS_VIEWS,
}
cdef dict INT_WIDTHS = {
    FB_KEYS_INT8: 1, FB_KEYS_UINT8: 1, FB_KEYS_INT16: 2, FB_KEYS_UINT16: 2,
    FB_KEYS_INT32: 4, FB_KEYS_UINT32: 4, FB_KEYS_INT64: 8, FB_KEYS_UINT64: 8,
}


cdef int read_arrow_array(KeyBatch batch, object keys) except -1:
    schema_capsule, array_capsule = keys.__arrow_c_array__()
    batch.owners = keys, schema_capsule, array_capsule
    batch.foreign = True
    cdef ArrowSchema *schema = <ArrowSchema *>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    cdef ArrowArray *array = <ArrowArray *>PyCapsule_GetPointer(array_capsule, "arrow_array")
    if schema.release == NULL or array.release == NULL:
        raise errors.consumed()
    cdef fb_keys_part_t *part = batch.new_parts(1)
    note_kind(batch, column_of(schema))
    batch.n = read_arrow_chunk(part, schema, array, 0)
    return 0


cdef int read_arrow_stream(KeyBatch batch, object keys, object capsule) except -1:
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>PyCapsule_GetPointer(
        capsule, "arrow_array_stream")
    cdef ArrowSchema schema
    cdef ArrowArray chunk
    cdef ArrowArray *chunks
    cdef fb_keys_part_t *parts
    cdef size_t i, room = 0
    if stream.release == NULL:
        raise errors.consumed()
    batch.owners = keys, capsule
    batch.foreign = True
    schema.release = NULL
    if stream.get_schema(stream, &schema) != 0:
        raise stream_error(stream)
    try:
        layout_of(column_of(&schema))
        note_kind(batch, column_of(&schema))
        while True:
            chunk.release = NULL
            if stream.get_next(stream, &chunk) != 0:
                raise stream_error(stream)
            if chunk.release == NULL:
                break
            if batch.n_chunks == room:
                room = 2 * room if room else 4
                chunks = <ArrowArray *>realloc(batch.chunks, room * sizeof(ArrowArray))
                if chunks == NULL:
                    chunk.release(&chunk)
                    raise MemoryError()
                batch.chunks = chunks
            (<ArrowArray *>batch.chunks)[batch.n_chunks] = chunk
            batch.n_chunks += 1
        parts = batch.new_parts(batch.n_chunks)
        for i in range(batch.n_chunks):
            batch.n += read_arrow_chunk(parts + i, &schema, <ArrowArray *>batch.chunks + i, batch.n)
    finally:
        schema.release(&schema)
        if stream.release != NULL:  # a stream can be read once: say so to who reads it again
            stream.release(stream)
            stream.release = NULL
    return 0


cdef const ArrowSchema *column_of(const ArrowSchema *schema) except NULL:
    """The column itself, or the only one of a table."""
    if strcmp(schema.format, "+s") != 0:
        return schema
    if schema.n_children != 1:
        raise errors.arrow_format(f"struct of {schema.n_children} columns")
    return schema.children[0]


cdef int note_kind(KeyBatch batch, const ArrowSchema *column) except -1:
    """What the layout does not tell: whether bytes are text."""
    cdef bytes format = column.format
    batch.items = None
    batch.text = format in (b"u", b"U", b"vu")
    return 0


cdef object stream_error(ArrowArrayStream *stream):
    cdef const char *words = stream.get_last_error(stream)
    return ValueError(f"keys: the Arrow stream failed: {words.decode() if words else 'no reason'}")


cdef int layout_of(const ArrowSchema *schema) except -1:
    cdef bytes format = schema.format
    if schema.dictionary == NULL:
        if format in ARROW_LAYOUTS:
            return ARROW_LAYOUTS[format]
        if format.startswith(b"w:"):
            return FB_KEYS_FIXED
    raise errors.arrow_format("dictionary" if schema.dictionary != NULL else format.decode())


cdef size_t read_arrow_chunk(
    fb_keys_part_t *part, const ArrowSchema *schema, const ArrowArray *array, size_t before
) except? 0xC7A3:
    """Describe one Arrow array as a part; return its length. `before` keys came earlier."""
    cdef const ArrowSchema *column = column_of(schema)
    cdef int layout = layout_of(column)
    cdef size_t n = array.length, offset = array.offset
    if array.length < 0 or array.offset < 0:
        raise ValueError("keys: the Arrow array has a negative length or offset")
    check_nulls(array, 0, n, before)
    if column != schema:  # a table's rows are its column's, from the table's offset on
        array = array.children[0]
        check_nulls(array, offset, n, before)
        offset += array.offset
    cdef const uint8_t *data = <const uint8_t *>array.buffers[1]
    part.layout = <fb_keys_layout_t>layout
    part.n = n
    if layout == FB_KEYS_OFFSET32 or layout == FB_KEYS_OFFSET64:
        part.offsets = data + offset * (4 if layout == FB_KEYS_OFFSET32 else 8)
        part.data = array.buffers[2]
    elif layout == FB_KEYS_VIEWS:
        part.data = data + 16 * offset
        part.buffers = array.buffers + 2
    elif layout == FB_KEYS_FIXED:
        part.width = int(column.format[2:])
        part.data = data + part.width * offset
    else:
        part.data = data + <size_t>INT_WIDTHS[layout] * offset
    return n


cdef int check_nulls(const ArrowArray *array, size_t start, size_t n, size_t before) except -1:
    """Raise if a key of [start, start + n) is null. A null_count of -1: nobody has counted."""
    cdef const uint8_t *valid = <const uint8_t *>array.buffers[0]
    cdef size_t i, at
    if valid == NULL or array.null_count == 0:
        return 0
    for i in range(n):
        at = array.offset + start + i
        if not (valid[at >> 3] >> (at & 7)) & 1:
            raise errors.null_key(before + i)
    return 0


fb_cpu_level()
