# Columns that export themselves as Arrow data (__arrow_c_array__, __arrow_c_stream__), read in place.
#
#     cdef ArrowColumn column = arrow_column("keys", x)
#     if column.n_columns != 1 or column.format not in ...:   # what a caller takes is its own matter
#         raise ...
#     column.read()                                           # raises for nulls and broken streams
#     for i in range(column.n_chunks): ... column.chunks[i] ...
#
# The memory lives as long as the ArrowColumn.

from libc.stdint cimport int64_t

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

# Items [offset, offset + n) of Arrow buffers.
ctypedef struct arrow_chunk_t:
    size_t n
    size_t offset
    const void **buffers


cdef class ArrowColumn:
    cdef int64_t n_columns      # 1, unless it is a table of another number; such a one cannot be read
    cdef bytes format           # of its items, as Arrow writes it: b"u"; b"" if they are in a dictionary
    cdef size_t n               # items, once read
    cdef size_t n_chunks
    cdef arrow_chunk_t *chunks

    cdef str name               # in errors
    cdef object owners          # of the memory
    cdef bint table             # the column is the only one of a table
    cdef ArrowArrayStream *stream
    cdef ArrowArray *arrays     # n_chunks of them
    cdef bint pulled            # they came out of the stream, and are to be released

    cdef int read(self) except -1

    cdef int describe(self, const ArrowSchema *schema) except -1
    cdef int pull(self) except -1
    cdef int note(self, const ArrowArray *array, arrow_chunk_t *chunk) except -1
    cdef int check_nulls(self, const ArrowArray *array, size_t start, size_t n) except -1

# None if x does not export itself.
cdef ArrowColumn arrow_column(str name, object x)

# The format for errors.
cdef str kind_of(ArrowColumn column)
