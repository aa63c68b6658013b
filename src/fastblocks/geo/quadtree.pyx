"""Quadtree: points in the plane that move all the time, and which of them are where."""

from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import os

from fastblocks._core import boxes as checks
from fastblocks._core import points

from fastblocks._core.arrays cimport array_of, data_of, floats_of, new_array, out_array
from fastblocks._core.columns cimport plain_double
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport FB_FULL, FB_NOT_BUILT, check_status, fb_status_t
from fastblocks.geo._points cimport (
    INSERT, MOVE, Points, fb_quads_end, fb_quads_found_t, fb_quads_t, finite, id_number, indices_of,
    positive, wanted,
)

cdef extern from "geo/quadtree.h" nogil:
    fb_status_t fb_quadtree_begin(fb_quads_t *t, const double *bounds, uint32_t capacity,
                                  uint64_t seed)
    size_t fb_quadtree_outside(const double *bounds, const double *x, const double *y, size_t n)
    fb_status_t fb_quadtree_query(const fb_quads_t *t, const double *box, fb_quads_found_t *found)
    fb_status_t fb_quadtree_within(const fb_quads_t *t, double x, double y, double r,
                                   fb_quads_found_t *found)
    fb_status_t fb_quadtree_query_many(const fb_quads_t *t, const double *boxes, size_t m,
                                       fb_quads_found_t *found, uint64_t *ends)
    fb_status_t fb_quadtree_within_many(const fb_quads_t *t, const double *x, const double *y,
                                        const double *r, size_t m, fb_quads_found_t *found,
                                        uint64_t *ends)
    void fb_quadtree_fetch(const fb_quads_t *t, double x, double y, size_t k)
    size_t fb_quadtree_nearest(const fb_quads_t *t, const double *x, const double *y, size_t m,
                               size_t k, double most, int64_t *ids, double *distances)

cdef uint32_t KIND = FB_STATE_FOURCC(c"Q", c"U", c"A", c"D")
cdef enum:
    VERSION = 1

cdef size_t MAX_ANSWERS = <size_t>1 << 46


cdef int read_box(object value, double *box) except -1:
    """One box: four numbers in a tuple at once, all else by the checks."""
    cdef int i
    if type(value) is tuple and PyTuple_GET_SIZE(value) == 4:
        for i in range(4):
            if not plain_double(<object>PyTuple_GET_ITEM(value, i), &box[i]):
                break
            if not isfinite(box[i]):
                break
        else:
            if box[0] <= box[2] and box[1] <= box[3]:
                return 0
    box[0], box[1], box[2], box[3] = checks.box_of("box", value)
    return 0


cdef class QuadTree(Points):
    """QuadTree(bounds, leaf_capacity=32)\n--\n\n\
    Points in the plane, by id, that come, move and go: which are in a box or circle, or nearest.

    Parameters
    ----------
    bounds : (min_x, min_y, max_x, max_y)
        What all points lie in, sides included: finite, of width and height above 0.
    leaf_capacity : int, default 32
        In ``[1, 4096]``: points that a leaf may have before it is split. Fewer are quicker to search for
        few nearest neighbours, more are quicker to move, and take less memory.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If one is out of range.

    Notes
    -----
    Ids are numbers of 64 bits with sign; numbers are float64, and ``-0.0`` is ``0.0``. A point out of bounds is
    refused: a tree does not grow. Boxes and circles may lie anywhere, and hold the points on their rim.
    Distances are ``sqrt(dx*dx + dy*dy)``; of points with equal ``dx*dx + dy*dy`` those with lower ids are
    nearer.

    To move a point within its leaf is O(1): a look-up, a comparison, two stores. Other changes are
    O(depth + leaf_capacity), and depth is at most 24: a leaf that small grows, so any number of points may be
    equal. A point takes about 50 bytes.

    Threads: any number may use a tree. Changes wait for searches in batches, and those for changes; batches
    release the GIL, and searches in batches run side by side. Each call, and each batch, is answered by the
    points as they are at one moment.

    Equal points with equal ids in equal bounds have the same bytes, whatever was done to come to them.

    Examples
    --------
    >>> from fastblocks import QuadTree
    >>> drivers = QuadTree((0, 0, 100, 100))
    >>> drivers.insert_many([1, 2, 3], [10.0, 20.0, 90.0], [10.0, 20.0, 90.0])
    >>> drivers.move(3, 21.0, 20.0)
    >>> drivers.nearest(22.0, 20.0, k=2)
    (array([3, 2]), array([1., 2.]))
    >>> sorted(drivers.query((15, 15, 25, 25)).tolist())
    [2, 3]
    >>> drivers.remove(2)
    >>> drivers[3], 2 in drivers, len(drivers)
    ((21.0, 20.0), False, 2)
    """

    cdef double box[4]
    cdef uint32_t capacity

    def __cinit__(self, *args, **kwargs):
        self.box[0] = self.box[1] = 0.0
        self.box[2] = self.box[3] = 1.0
        self.capacity = 32
        self.start()

    def __init__(self, bounds, leaf_capacity=32):
        self.begin_init()
        box = points.bounds_of(bounds)
        capacity = points.capacity_of(leaf_capacity)
        with self.whole:
            self.begin_init()
            self.box = box
            self.capacity = capacity
            self.start()
            self.made = True

    cdef int start(self) except -1:
        cdef uint64_t seed = int.from_bytes(os.urandom(8), "little")
        fb_quads_end(&self.tree)
        return check_status(
            fb_quadtree_begin(&self.tree, self.box, self.capacity, seed), type(self).__name__
        )

    cdef bint possible(self, const double *a, const double *b, size_t n) noexcept:
        return fb_quadtree_outside(self.box, a, b, n) == n

    @property
    def bounds(self):
        """What all points lie in: ``(min_x, min_y, max_x, max_y)``."""
        return self.box[0], self.box[1], self.box[2], self.box[3]

    @property
    def leaf_capacity(self):
        """Points that a leaf may have before it is split."""
        return self.capacity

    # ---- changes ----------------------------------------------------------------------------

    cdef int read_point(self, object x, object y, double *a, double *b) except -1:
        if plain_double(x, a) and plain_double(y, b) and self.possible(a, b, 1):
            return 0
        a[0] = points.number("x", x, self.box[0], self.box[2])
        b[0] = points.number("y", y, self.box[1], self.box[3])
        return 0

    cdef list read_points(self, object xs, object ys):
        return points.columns(
            ("xs", xs, self.box[0], self.box[2]), ("ys", ys, self.box[1], self.box[3])
        )

    def insert(self, id, x, y):
        """Add a point.

        Parameters
        ----------
        id : int
            In ``[-2**63, 2**63)``, and not there yet.
        x : float
        y : float

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If the id is there already or out of range, or the point out of bounds.
        """
        cdef double a, b
        cdef fb_status_t status
        cdef int64_t number = id_number(id)
        self.read_point(x, y, &a, &b)
        status = self.put_one(number, a, b, INSERT, False)
        if status == FB_FULL:
            raise checks.id_there(number)
        check_status(status, "a point")

    def move(self, id, x, y):
        """Give a point another place.

        Parameters
        ----------
        id : int
        x : float
        y : float

        Raises
        ------
        KeyError
            If there is no point of that id.
        TypeError
            If an argument is of the wrong type.
        ValueError
            If the id is out of range, or the place out of bounds.
        """
        cdef double a, b
        cdef fb_status_t status
        cdef int64_t number = id_number(id)
        self.read_point(x, y, &a, &b)
        status = self.put_one(number, a, b, MOVE, False)
        if status == FB_NOT_BUILT:
            raise checks.id_unknown(number)
        check_status(status, "a point")

    def remove(self, id):
        """Take a point away.

        Parameters
        ----------
        id : int

        Raises
        ------
        KeyError
            If there is no point of that id.
        TypeError
            If `id` is not an int.
        ValueError
            If it is not in ``[-2**63, 2**63)``.
        """
        cdef int64_t number = id_number(id)
        if not self.take_one(number):
            raise checks.id_unknown(number)

    def insert_many(self, ids, xs, ys):
        """Add points: all of them, or none if an argument is bad.

        Parameters
        ----------
        ids : array-like of int, shape (n,)
            Different, and not there yet.
        xs : array-like of float, shape (n,)
        ys : array-like of float, shape (n,)

        Raises
        ------
        TypeError
            If an argument is not an array of numbers.
        ValueError
            If a shape is another, an id is there twice, or a point out of bounds.
        """
        columns = self.read_points(xs, ys)
        self.put_many(points.id_column(ids, len(columns[0])), columns, INSERT)

    def move_many(self, ids, xs, ys):
        """Give points other places: all of them, or none if an argument is bad.

        Parameters
        ----------
        ids : array-like of int, shape (n,)
            Where one stands there twice, the last place counts.
        xs : array-like of float, shape (n,)
        ys : array-like of float, shape (n,)

        Raises
        ------
        KeyError
            If there is no point of an id.
        TypeError
            If an argument is not an array of numbers.
        ValueError
            If a shape is another, or a place is out of bounds.
        """
        columns = self.read_points(xs, ys)
        self.put_many(points.id_column(ids, len(columns[0])), columns, MOVE)

    def remove_many(self, ids):
        """Take points away: all of them, or none if an argument is bad.

        Parameters
        ----------
        ids : array-like of int, shape (n,)

        Raises
        ------
        KeyError
            If there is no point of an id, or it stands there twice.
        TypeError
            If `ids` is not an array of integers.
        ValueError
            If its shape is another.
        """
        self.take_many(points.id_column(ids))

    # ---- searches ---------------------------------------------------------------------------

    def query(self, box):
        """Return which points are in a box.

        Parameters
        ----------
        box : (min_x, min_y, max_x, max_y)

        Returns
        -------
        ndarray of int64
            Their ids, in no particular order.

        Raises
        ------
        TypeError
            If `box` is not of numbers.
        ValueError
            If it is no box.
        """
        cdef double given[4]
        cdef fb_quads_found_t found
        cdef fb_status_t status
        read_box(box, given)
        memset(&found, 0, sizeof(found))
        if self.alone():
            status = fb_quadtree_query(&self.tree, given, &found)
        else:
            self.begin_reading()
            status = fb_quadtree_query(&self.tree, given, &found)
            self.end_reading()
        return self.answer(&found, status)

    def within(self, x, y, r):
        """Return which points are within a distance of a point.

        Parameters
        ----------
        x : float
        y : float
        r : float
            0 or more, or inf.

        Returns
        -------
        ndarray of int64
            Their ids, in no particular order.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If one is out of range.
        """
        cdef double a = finite(x, "x"), b = finite(y, "y"), most = positive(r, "r")
        cdef fb_quads_found_t found
        cdef fb_status_t status
        memset(&found, 0, sizeof(found))
        if self.alone():
            status = fb_quadtree_within(&self.tree, a, b, most, &found)
        else:
            self.begin_reading()
            status = fb_quadtree_within(&self.tree, a, b, most, &found)
            self.end_reading()
        return self.answer(&found, status)

    cdef object answer(self, fb_quads_found_t *found, fb_status_t status):
        try:
            check_status(status, "the answers")
            return array_of(found.ids, found.n)
        finally:
            free(found.ids)

    def query_many(self, boxes):
        """Return which points are in each of some boxes.

        Parameters
        ----------
        boxes : array-like of float, shape (m, 4)

        Returns
        -------
        query_index : ndarray of int64, shape (pairs,)
            Indices into `boxes`, ascending.
        ids : ndarray of int64, shape (pairs,)
            Ids of points in them; those of one box in no particular order.

        Raises
        ------
        TypeError
            If `boxes` is not an array of numbers.
        ValueError
            If its shape is another, or one is no box.

        Examples
        --------
        >>> from fastblocks import QuadTree
        >>> tree = QuadTree((0, 0, 9, 9))
        >>> tree.insert_many([5, 6], [1, 8], [1, 8])
        >>> tree.query_many([(0, 0, 1, 1), (2, 2, 3, 3), (8, 8, 8, 8)])
        (array([0, 2]), array([5, 6]))
        """
        return self.many(points.box_rows("boxes", boxes), None, None)

    def within_many(self, xs, ys, rs):
        """Return which points are within distances of each of some points.

        Parameters
        ----------
        xs : array-like of float, shape (m,)
        ys : array-like of float, shape (m,)
        rs : float or array-like of float, shape (m,)
            0 or more, or inf.

        Returns
        -------
        query_index : ndarray of int64, shape (pairs,)
            Indices into `xs`, ascending.
        ids : ndarray of int64, shape (pairs,)
            Those of one circle in no particular order.

        Raises
        ------
        TypeError
            If an argument is not an array of numbers.
        ValueError
            If a shape is another, or a number out of range.
        """
        columns = points.columns(
            ("xs", xs, -INFINITY, INFINITY), ("ys", ys, -INFINITY, INFINITY), ("rs", rs, 0.0, INFINITY)
        )
        return self.many(columns[0], columns[1], columns[2])

    cdef tuple many(self, object first, object ys, object rs):
        """Answers for boxes, or for circles."""
        cdef size_t m = len(first)
        cdef bint circles = ys is not None
        cdef const double *a = <const double *>data_of(first)
        cdef const double *b = <const double *>data_of(ys) if circles else NULL
        cdef const double *r = <const double *>data_of(rs) if circles else NULL
        cdef fb_quads_found_t found
        cdef fb_status_t status
        cdef uint64_t *ends = <uint64_t *>malloc((m + 1) * sizeof(uint64_t))
        if ends == NULL:
            raise MemoryError()
        memset(&found, 0, sizeof(found))
        try:
            self.begin_reading()
            with nogil:
                if circles:
                    status = fb_quadtree_within_many(&self.tree, a, b, r, m, &found, ends)
                else:
                    status = fb_quadtree_query_many(&self.tree, a, m, &found, ends)
            self.end_reading()
            check_status(status, "the answers")
            return indices_of(ends, m), array_of(found.ids, found.n)
        finally:
            free(found.ids)
            free(ends)

    def nearest(self, x, y, k=1, max_distance=1e999):
        """Return the points that are nearest to a point.

        Parameters
        ----------
        x : float
        y : float
        k : int, default 1
            How many, in ``[1, 2**31)``; if there are fewer, all are returned.
        max_distance : float, default inf
            0 or more: those that are further are left out.

        Returns
        -------
        ids : ndarray of int64
            Nearest first.
        distances : ndarray of float64

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If one is out of range.
        """
        cdef double a = finite(x, "x"), b = finite(y, "y")
        cdef size_t want = wanted(k), n
        cdef double most = positive(max_distance, "max_distance")
        want = min(want, self.tree.n + 1)  # there may be more in a moment, which need not be told
        if self.alone():
            fb_quadtree_fetch(&self.tree, a, b, want)  # which takes as long as it takes to make the arrays
        ids, distances = new_array(want, False), new_array(want, True)
        cdef int64_t *near = <int64_t *>data_of(ids)
        cdef double *far = <double *>data_of(distances)
        if self.alone():
            n = fb_quadtree_nearest(&self.tree, &a, &b, 1, want, most, near, far)
        else:
            self.begin_reading()
            n = fb_quadtree_nearest(&self.tree, &a, &b, 1, want, most, near, far)
            self.end_reading()
        return (ids, distances) if n == want else (array_of(near, n), floats_of(far, n))

    def nearest_many(self, xs, ys, k=1, max_distance=1e999):
        """Return the points that are nearest to each of some points.

        Parameters
        ----------
        xs : array-like of float, shape (m,)
        ys : array-like of float, shape (m,)
        k : int, default 1
            How many for each, in ``[1, 2**31)``.
        max_distance : float, default inf
            0 or more: those that are further are left out.

        Returns
        -------
        ids : ndarray of int64, shape (m, k)
            Nearest first; -1 where there are fewer.
        distances : ndarray of float64, shape (m, k)
            inf where there are fewer.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If a shape is another, or a number out of range.
        MemoryError
            If there is not enough memory for the answer.
        """
        columns = points.columns(("xs", xs, -INFINITY, INFINITY), ("ys", ys, -INFINITY, INFINITY))
        cdef size_t m = len(columns[0]), want = wanted(k)
        cdef double most = positive(max_distance, "max_distance")
        cdef const double *a = <const double *>data_of(columns[0])
        cdef const double *b = <const double *>data_of(columns[1])
        if m and want > MAX_ANSWERS // m:
            raise MemoryError(f"cannot allocate {m} rows of {want} answers")
        ids, distances = out_array(None, m * want, "int64"), out_array(None, m * want, "float64")
        cdef int64_t *near = <int64_t *>data_of(ids)
        cdef double *far = <double *>data_of(distances)
        self.begin_reading()
        with nogil:
            fb_quadtree_nearest(&self.tree, a, b, m, want, most, near, far)
        self.end_reading()
        return ids.reshape(m, want), distances.reshape(m, want)

    # ---- what there is ----------------------------------------------------------------------

    def position(self, id):
        """Return where a point is; ``tree[id]`` is the same.

        Parameters
        ----------
        id : int

        Returns
        -------
        (x, y) : tuple of float

        Raises
        ------
        KeyError
            If there is no point of that id.
        TypeError
            If `id` is not an int.
        ValueError
            If it is not in ``[-2**63, 2**63)``.
        """
        return self[id]

    def __getitem__(self, id):
        cdef double a, b
        cdef int64_t number = id_number(id)
        if not self.place_of(number, &a, &b):
            raise checks.id_unknown(number)
        return a, b

    def __contains__(self, id):
        cdef double a, b
        return self.place_of(id_number(id), &a, &b)

    def __iter__(self):
        return iter(self.items()[0].tolist())

    def items(self):
        """Return all points.

        Returns
        -------
        ids : ndarray of int64, shape (n,)
            Ascending.
        xs : ndarray of float64, shape (n,)
        ys : ndarray of float64, shape (n,)
        """
        return self.still_points()

    def __eq__(self, other):
        if not isinstance(other, QuadTree):
            return NotImplemented
        return self.bounds == other.bounds and all(
            mine.shape == others.shape and bool((mine == others).all())
            for mine, others in zip(self.items(), other.items())
        )

    __hash__ = None

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.bounds!r}, leaf_capacity={self.capacity}, "
            f"{len(self)} points)"
        )

    # ---- state ------------------------------------------------------------------------------

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        for i in range(4):
            state.params[i] = word_of_double(self.box[i])
        state.params[4] = self.capacity
        state.params[5] = self.tree.n
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef uint64_t n = state.params[5]
        box = tuple([double_of_word(state.params[i]) for i in range(4)])
        try:
            box = points.bounds_of(box)
            self.capacity = points.capacity_of(state.params[4])
        except ValueError:
            return False
        self.box = box
        self.saved = <size_t>n
        return n < 2**31 and state.payload_bytes == n * 24 and params_end_at(state, 6)


fb_cpu_level()
