"""Columns that export themselves as Arrow data, read in place."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport strcmp

from fastblocks._core import errors


cdef class ArrowColumn:
    def __cinit__(self):
        self.n_columns = 1

    def __dealloc__(self):
        cdef size_t i
        if self.pulled:
            for i in range(self.n_chunks):
                self.arrays[i].release(&self.arrays[i])
            free(self.arrays)
        free(self.chunks)

    cdef int read(self) except -1:
        cdef size_t i
        if self.stream != NULL:
            self.pull()
        self.chunks = <arrow_chunk_t *>calloc(max(self.n_chunks, 1), sizeof(arrow_chunk_t))
        if self.chunks == NULL:
            raise MemoryError()
        for i in range(self.n_chunks):
            self.note(self.arrays + i, self.chunks + i)
        return 0

    cdef int describe(self, const ArrowSchema *schema) except -1:
        """Note what the items are."""
        self.table = strcmp(schema.format, "+s") == 0
        if self.table:
            self.n_columns = schema.n_children
            if self.n_columns != 1:
                return 0
            schema = schema.children[0]
        self.format = b""
        if schema.dictionary == NULL:
            self.format = schema.format
        return 0

    cdef int pull(self) except -1:
        """Take all chunks out of the stream."""
        cdef ArrowArrayStream *stream = self.stream
        cdef ArrowArray chunk
        cdef ArrowArray *grown
        cdef size_t room = 0
        self.stream = NULL
        self.pulled = True
        try:
            while True:
                chunk.release = NULL
                if stream.get_next(stream, &chunk) != 0:
                    raise stream_error(self.name, stream)
                if chunk.release == NULL:
                    return 0
                if self.n_chunks == room:
                    room = 2 * room if room else 4
                    grown = <ArrowArray *>realloc(self.arrays, room * sizeof(ArrowArray))
                    if grown == NULL:
                        chunk.release(&chunk)
                        raise MemoryError()
                    self.arrays = grown
                self.arrays[self.n_chunks] = chunk
                self.n_chunks += 1
        finally:
            if stream.release != NULL:  # a stream can be read once: say so to who reads it again
                stream.release(stream)
                stream.release = NULL

    cdef int note(self, const ArrowArray *array, arrow_chunk_t *chunk) except -1:
        """Describe one Arrow array, whose items come after those noted before."""
        chunk.n, chunk.offset = array.length, array.offset
        if array.length < 0 or array.offset < 0:
            raise ValueError(f"{self.name}: the Arrow array has a negative length or offset")
        self.check_nulls(array, 0, chunk.n)
        if self.table:  # its rows are the column's, from the table's offset on
            array = array.children[0]
            self.check_nulls(array, chunk.offset, chunk.n)
            chunk.offset += array.offset
        chunk.buffers = array.buffers
        self.n += chunk.n
        return 0

    cdef int check_nulls(self, const ArrowArray *array, size_t start, size_t n) except -1:
        """Raise if an item of [start, start + n) is null. A null_count of -1: nobody has counted."""
        cdef const uint8_t *valid = <const uint8_t *>array.buffers[0]
        cdef size_t i, at
        if valid == NULL or array.null_count == 0:
            return 0
        for i in range(n):
            at = array.offset + start + i
            if not (valid[at >> 3] >> (at & 7)) & 1:
                raise errors.null_at(self.name, f"{self.name}[{self.n + i}]")
        return 0


cdef ArrowColumn arrow_column(str name, object x):
    cdef ArrowColumn column
    cdef ArrowSchema own
    cdef ArrowSchema *schema
    export = getattr(x, "__arrow_c_array__", None)
    cdef bint whole = export is not None
    if not whole:
        export = getattr(x, "__arrow_c_stream__", None)
        if export is None:
            return None
    column = ArrowColumn.__new__(ArrowColumn)
    column.name = name
    if whole:
        schema_capsule, array_capsule = export()
        column.owners = x, schema_capsule, array_capsule
        schema = <ArrowSchema *>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
        column.arrays = <ArrowArray *>PyCapsule_GetPointer(array_capsule, "arrow_array")
        if schema.release == NULL or column.arrays.release == NULL:
            raise consumed(name)
        column.n_chunks = 1
        column.describe(schema)
        return column
    capsule = export()
    column.owners = x, capsule
    column.stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if column.stream.release == NULL:
        raise consumed(name)
    if column.stream.get_schema(column.stream, &own) != 0:
        raise stream_error(name, column.stream)
    try:
        column.describe(&own)
    finally:
        own.release(&own)
    return column


cdef str kind_of(ArrowColumn column):
    return column.format.decode() if column.format else "dictionary"


cdef object consumed(str name):
    return ValueError(f"{name}: the Arrow data were consumed or moved elsewhere before")


cdef object stream_error(str name, ArrowArrayStream *stream):
    cdef const char *words = stream.get_last_error(stream)
    reason = "unknown error" if words == NULL else words.decode("utf-8", "replace")
    return ValueError(f"{name}: the Arrow stream failed: {reason}")
