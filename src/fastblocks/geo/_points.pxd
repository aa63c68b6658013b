# Points that move, by id: what QuadTree and GeoIndex have in common (csrc/geo/quads.h).

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastblocks._core.flat cimport Flat
from fastblocks._core.keys cimport FB_HAVE_GIL
from fastblocks._core.status cimport fb_status_t

cdef extern from "geo/quads.h" nogil:
    enum:
        FB_QUADS_CHUNK
    uint32_t FB_QUADS_NONE
    ctypedef struct fb_quads_t:
        size_t n
    ctypedef struct fb_quads_chunk_t:
        double a[16]
        double b[16]
    ctypedef struct fb_quads_found_t:
        int64_t *ids
        double *distances
        size_t n
        size_t max
    fb_quads_chunk_t *fb_quads_chunk(const fb_quads_t *t, uint32_t chunk)
    uint32_t fb_quads_chunk_of(uint32_t place)
    uint32_t fb_quads_slot_of(uint32_t place)
    void fb_quads_end(fb_quads_t *t)
    size_t fb_quads_bytes(const fb_quads_t *t)
    uint32_t fb_quads_find(const fb_quads_t *t, int64_t id)
    fb_status_t fb_quads_insert(fb_quads_t *t, int64_t id, double a, double b)
    bint fb_quads_remove(fb_quads_t *t, int64_t id, double *a, double *b)
    fb_status_t fb_quads_move(fb_quads_t *t, int64_t id, double a, double b)
    fb_status_t fb_quads_set(fb_quads_t *t, int64_t id, double a, double b)
    fb_status_t fb_quads_insert_many(fb_quads_t *t, const int64_t *ids, const double *a,
                                     const double *b, size_t n, size_t *done)
    fb_status_t fb_quads_move_many(fb_quads_t *t, const int64_t *ids, const double *a,
                                   const double *b, size_t n, size_t *done)
    fb_status_t fb_quads_set_many(fb_quads_t *t, const int64_t *ids, const double *a,
                                  const double *b, size_t n)
    fb_status_t fb_quads_remove_many(fb_quads_t *t, const int64_t *ids, size_t n, size_t *done)
    void fb_quads_items(const fb_quads_t *t, int64_t *ids, double *a, double *b)


# Any number of threads read at once, or one writes. Under the GIL, who needs no more than a moment does it at
# once if nobody is at work without: a reader if `alone()`, a writer if `quiet()`. All others read
# between `begin_reading` and `end_reading`, where nothing of Python may run, and write between
# `begin_changing` and `end_changing`, with `whole`.
cdef class Points(Flat):
    cdef fb_quads_t tree
    cdef object mutex           # of `readers`
    cdef object room            # held by the readers together, or by the one who writes
    cdef Py_ssize_t readers
    cdef Py_ssize_t reading     # of these, without the GIL; changed under it
    cdef size_t saved           # points that the payload holds

    # For the derived class: makes an empty tree; coordinates that may be in it.
    cdef int start(self) except -1
    cdef bint possible(self, const double *a, const double *b, size_t n) noexcept

    cdef inline bint quiet(self) noexcept:
        return self.reading == 0 and self.alone()

    cdef int begin_reading(self) except -1
    cdef int end_reading(self) except -1
    cdef int begin_changing(self) except -1
    cdef int end_changing(self) except -1

    cdef object put_many(self, object numbers, object columns, int how)
    cdef object put_held(self, object numbers, object columns, int how)
    cdef object take_many(self, object numbers)
    cdef object take_held(self, object numbers)
    cdef bint take_one(self, int64_t number) except -1
    cdef bint take_one_held(self, int64_t number) except -1
    cdef fb_status_t put_one(self, int64_t number, double a, double b, int how, bint held) except *
    cdef bint place_of(self, int64_t number, double *a, double *b) except -1
    cdef tuple all_points(self)
    cdef tuple still_points(self)
    cdef int settle_points(self, const int64_t *ids, const double *a, const double *b, size_t n) except -1

cdef enum:
    INSERT
    MOVE
    SET

# An id as a number of 64 bits.
cdef int64_t id_number(object id) except? -0x5EED

# How many neighbours; a finite number; a distance of 0 or more.
cdef size_t wanted(object k) except 0
cdef double finite(object value, str name) except? -7.25
cdef double positive(object value, str name) except? -7.25

# Indices of queries: i as often as ends[i] - ends[i - 1].
cdef object indices_of(const uint64_t *ends, size_t m)
