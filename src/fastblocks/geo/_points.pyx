"""Points that move, by id: what QuadTree and GeoIndex have in common."""

import threading

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastblocks._core import boxes as checks
from fastblocks._core import points

from fastblocks._core.arrays cimport data_of, out_array
from fastblocks._core.columns cimport plain_double
from fastblocks._core.flat cimport NO_WRITER
from fastblocks._core.status cimport FB_FULL, FB_NOT_BUILT, check_status


cdef int64_t id_number(object id) except? -0x5EED:
    cdef int overflow
    cdef long long small
    if PyLong_CheckExact(id):
        small = PyLong_AsLongLongAndOverflow(id, &overflow)
        if not overflow:
            return small
    return checks.id_of(id)


cdef size_t wanted(object k) except 0:
    cdef int64_t number
    if PyLong_CheckExact(k):
        number = id_number(k)
        if 0 < number < 2**31:
            return <size_t>number
    return checks.k_of(k)


cdef double finite(object value, str name) except? -7.25:
    """A number that may lie anywhere."""
    cdef double number
    if plain_double(value, &number) and isfinite(number):
        return number
    return points.number(name, value)


cdef double positive(object value, str name) except? -7.25:
    """A distance: 0 or more."""
    cdef double number
    if plain_double(value, &number) and number >= 0:
        return number
    return points.radius(name, value)


cdef object indices_of(const uint64_t *ends, size_t m):
    cdef size_t i, at = 0
    array = out_array(None, ends[m - 1] if m else 0, "int64")
    cdef int64_t *into = <int64_t *>data_of(array)
    with nogil:
        for i in range(m):
            while at < ends[i]:
                into[at] = <int64_t>i
                at += 1
    return array


cdef inline fb_status_t put(fb_quads_t *tree, int64_t number, double a, double b, int how) noexcept:
    if how == MOVE:
        return fb_quads_move(tree, number, a, b)
    if how == INSERT:
        return fb_quads_insert(tree, number, a, b)
    return fb_quads_set(tree, number, a, b)


@cython.no_gc_clear
cdef class Points(Flat):
    """Base of indexes of points that move."""

    def __cinit__(self, *args, **kwargs):
        self.mutex = threading.Lock()
        self.room = threading.Lock()
        self.file_use = NO_WRITER  # an opened one has the points in memory of its own
        self.allocate(0)

    def __dealloc__(self):
        fb_quads_end(&self.tree)

    cdef int start(self) except -1:
        raise TypeError(f"{type(self).__name__} cannot be made on its own")

    cdef bint possible(self, const double *a, const double *b, size_t n) noexcept:
        return False

    # ---- threads ----------------------------------------------------------------------------

    cdef int begin_reading(self) except -1:
        self.mutex.acquire()
        if self.readers == 0:
            self.room.acquire()
        self.readers += 1
        self.mutex.release()
        if FB_HAVE_GIL:
            self.reading += 1
        return 0

    cdef int end_reading(self) except -1:
        if FB_HAVE_GIL:
            self.reading -= 1
        self.mutex.acquire()
        self.readers -= 1
        if self.readers == 0:
            self.room.release()
        self.mutex.release()
        return 0

    cdef int begin_changing(self) except -1:
        self.room.acquire()
        self.begin_writing()
        return 0

    cdef int end_changing(self) except -1:
        self.end_writing()
        self.room.release()
        return 0

    # ---- changes and look-ups ---------------------------------------------------------------

    cdef object put_many(self, object numbers, object columns, int how):
        with self.whole:
            self.put_held(numbers, columns, how)

    cdef object put_held(self, object numbers, object columns, int how):
        """To be called with `whole`."""
        cdef size_t n = len(numbers), done = n
        cdef const int64_t *ids = <const int64_t *>data_of(numbers)
        cdef const double *a = <const double *>data_of(columns[0])
        cdef const double *b = <const double *>data_of(columns[1])
        cdef fb_status_t status
        self.begin_changing()
        with nogil:
            if how == INSERT:
                status = fb_quads_insert_many(&self.tree, ids, a, b, n, &done)
            elif how == MOVE:
                status = fb_quads_move_many(&self.tree, ids, a, b, n, &done)
            else:
                status = fb_quads_set_many(&self.tree, ids, a, b, n)
        self.end_changing()
        if status == FB_FULL:
            raise checks.id_twice(done, ids[done])
        if status == FB_NOT_BUILT:
            raise checks.id_unknown(ids[done])
        check_status(status, f"{n} points")

    cdef object take_many(self, object numbers):
        with self.whole:
            self.take_held(numbers)

    cdef object take_held(self, object numbers):
        """To be called with `whole`."""
        cdef size_t n = len(numbers), done
        cdef const int64_t *ids = <const int64_t *>data_of(numbers)
        cdef fb_status_t status
        self.begin_changing()
        with nogil:
            status = fb_quads_remove_many(&self.tree, ids, n, &done)
        self.end_changing()
        if status == FB_NOT_BUILT:
            raise checks.id_unknown(ids[done])
        check_status(status, f"{n} points")

    cdef bint take_one(self, int64_t number) except -1:
        if self.quiet():
            return fb_quads_remove(&self.tree, number, NULL, NULL)
        with self.whole:
            return self.take_one_held(number)

    cdef bint take_one_held(self, int64_t number) except -1:
        cdef bint there
        self.begin_changing()
        there = fb_quads_remove(&self.tree, number, NULL, NULL)
        self.end_changing()
        return there

    cdef fb_status_t put_one(self, int64_t number, double a, double b, int how, bint held) except *:
        cdef fb_status_t status
        if held:
            self.begin_changing()
            status = put(&self.tree, number, a, b, how)
            self.end_changing()
            return status
        if self.quiet():
            return put(&self.tree, number, a, b, how)
        with self.whole:
            return self.put_one(number, a, b, how, True)

    cdef bint place_of(self, int64_t number, double *a, double *b) except -1:
        """Whether there is such a point; then where."""
        cdef bint free = self.alone()
        cdef fb_quads_chunk_t *chunk
        if not free:
            self.begin_reading()
        cdef uint32_t place = fb_quads_find(&self.tree, number)
        if place != FB_QUADS_NONE:
            chunk = fb_quads_chunk(&self.tree, fb_quads_chunk_of(place))
            a[0] = chunk.a[fb_quads_slot_of(place)]
            b[0] = chunk.b[fb_quads_slot_of(place)]
        if not free:
            self.end_reading()
        return place != FB_QUADS_NONE

    cdef tuple all_points(self):
        """Ids, ascending, and coordinates; to be called with `whole`."""
        cdef size_t n = self.tree.n
        ids = out_array(None, n, "int64")
        a, b = out_array(None, n, "float64"), out_array(None, n, "float64")
        cdef int64_t *numbers = <int64_t *>data_of(ids)
        cdef double *first = <double *>data_of(a)
        cdef double *second = <double *>data_of(b)
        with nogil:
            fb_quads_items(&self.tree, numbers, first, second)
        order = ids.argsort()
        return ids[order], a[order], b[order]

    cdef tuple still_points(self):
        with self.whole:
            self.begin_writing()  # so that no scalar method changes what is being read
            try:
                return self.all_points()
            finally:
                self.end_writing()

    def __len__(self):
        return self.tree.n

    @property
    def nbytes(self):
        """Bytes of memory that the points take."""
        return fb_quads_bytes(&self.tree)

    def __sizeof__(self):
        return object.__sizeof__(self) + self.nbytes

    __hash__ = None

    # ---- state ------------------------------------------------------------------------------

    cdef size_t gathered(self) except? 0xC7A3:
        return self.tree.n * 24

    cdef int gather(self, void *into) except -1:
        cdef size_t size = self.tree.n * 8
        ids, a, b = self.all_points()
        memcpy(into, data_of(ids), size)
        memcpy(<char *>into + size, data_of(a), size)
        memcpy(<char *>into + 2 * size, data_of(b), size)
        return 0

    cdef int settle_points(
        self, const int64_t *ids, const double *a, const double *b, size_t n
    ) except -1:
        """Take over saved points into an empty tree: 0 if they make no sense."""
        cdef size_t i, done
        cdef fb_status_t status
        if not self.possible(a, b, n):
            return 0
        for i in range(1, n):
            if ids[i - 1] >= ids[i]:
                return 0
        with nogil:
            status = fb_quads_insert_many(&self.tree, ids, a, b, n, &done)
        check_status(status, f"{n} points")
        return 1

    cdef bint admit(self) except -1:
        cdef size_t n = self.saved
        cdef const int64_t *ids = <const int64_t *>self.payload
        cdef const double *a = <const double *>self.payload + n
        self.start()
        if not self.settle_points(ids, a, a + n, n):
            return False
        self.release()  # the points have memory of their own
        self.size = 0
        self.writable = True
        return True
