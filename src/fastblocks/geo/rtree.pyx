"""R-tree: which boxes meet this one, and which are nearest, while they come and go."""

cimport cython
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.ref cimport Py_REFCNT
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastblocks._core import boxes as checks
from fastblocks._core import errors, files

from fastblocks._core.arrays cimport array_of, data_of, floats_of, out_array
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport NO_WRITER, Flat
from fastblocks._core.keys cimport FB_HAVE_GIL
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport FB_OK, check_status, fb_status_t

cdef extern from "memory.h" nogil:
    void *fb_alloc_zeroed(size_t size)
    void fb_free_zeroed(void *p)

cdef extern from "geo/rtree.h" nogil:
    ctypedef bint cbool "bool"
    ctypedef struct fb_rtree_box_t:
        double min_x
        double min_y
        double max_x
        double max_y
    ctypedef struct fb_rtree_node_t:
        pass
    ctypedef struct fb_rtree_view_t:
        const fb_rtree_node_t *const *chunks
        size_t n
        bint packed
    ctypedef struct fb_rtree_t:
        pass
    ctypedef struct fb_rtree_found_t:
        int64_t *ids
        int64_t *others
        size_t n
        size_t max
    size_t fb_rtree_nodes(size_t n)
    size_t fb_rtree_check_boxes(const double *boxes, size_t n)
    size_t fb_rtree_check_numbers(const double *numbers, size_t n)
    fb_status_t fb_rtree_pack(const double *boxes, const int64_t *ids, size_t n,
                              fb_rtree_node_t *nodes, size_t *twice)
    bint fb_rtree_packed(const fb_rtree_node_t *nodes, size_t n)
    fb_status_t fb_rtree_distinct(const fb_rtree_node_t *nodes, size_t n, cbool *distinct)
    fb_rtree_t *fb_rtree_new(fb_rtree_node_t *nodes, size_t n, bint owned)
    void fb_rtree_drop(fb_rtree_t *tree)
    fb_rtree_view_t *fb_rtree_view(fb_rtree_t *tree)
    void fb_rtree_view_drop(fb_rtree_view_t *view)
    size_t fb_rtree_bytes(const fb_rtree_t *tree)
    fb_status_t fb_rtree_prepare(fb_rtree_t *tree)
    bint fb_rtree_has(const fb_rtree_t *tree, int64_t id)
    fb_status_t fb_rtree_insert(fb_rtree_t *tree, int64_t id, const fb_rtree_box_t *box,
                                bint held)
    fb_status_t fb_rtree_remove(fb_rtree_t *tree, int64_t id, bint held)
    fb_rtree_t *fb_rtree_loose(const fb_rtree_view_t *view)
    bint fb_rtree_worn(const fb_rtree_t *tree)
    void fb_rtree_items(const fb_rtree_view_t *view, int64_t *ids, double *boxes)
    fb_rtree_box_t fb_rtree_bounds(const fb_rtree_view_t *view)
    fb_status_t fb_rtree_query(const fb_rtree_view_t *view, const fb_rtree_box_t *box,
                               fb_rtree_found_t *found)
    fb_status_t fb_rtree_query_many(const fb_rtree_view_t *view, const double *boxes, size_t m,
                                    fb_rtree_found_t *found, uint64_t *ends)
    void fb_rtree_spread(const uint64_t *ends, size_t m, int64_t *numbers)
    void fb_rtree_count_many(const fb_rtree_view_t *view, const double *boxes, size_t m,
                             int64_t *counts)
    fb_status_t fb_rtree_join(const fb_rtree_view_t *a, const fb_rtree_view_t *b,
                              fb_rtree_found_t *found)
    size_t fb_rtree_nearest(const fb_rtree_view_t *view, const double *points, size_t m, size_t k,
                            double most, int64_t *ids, double *distances)

cdef uint32_t KIND = FB_STATE_FOURCC(c"R", c"T", c"R", c"E")
cdef enum:
    VERSION = 1
    MAX_BOXES = 0xFFFFFFFE

cdef size_t MAX_ANSWERS = <size_t>1 << 46


@cython.final
@cython.no_gc
cdef class Nodes:
    """The memory of a tree: there as long as the tree or a view of it is."""

    cdef fb_rtree_t *tree

    def __dealloc__(self):
        fb_rtree_drop(self.tree)


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class View:
    """The tree as it stands between two changes."""

    cdef fb_rtree_view_t *view
    cdef Nodes nodes

    def __dealloc__(self):
        fb_rtree_view_drop(self.view)


cdef Nodes new_nodes(void *memory, size_t n, bint owned):
    """A tree over packed nodes; with `owned` it frees them, unless this raises."""
    cdef Nodes nodes = Nodes.__new__(Nodes)
    nodes.tree = fb_rtree_new(<fb_rtree_node_t *>memory, n, owned)
    if nodes.tree == NULL:
        raise MemoryError()
    return nodes


cdef size_t bytes_of(size_t n) noexcept nogil:
    return fb_rtree_nodes(n) * 640


cdef Nodes packed_nodes(const double *boxes, const int64_t *ids, size_t n):
    """A tree of n boxes."""
    cdef size_t twice
    cdef fb_status_t status
    cdef Nodes nodes
    if n > MAX_BOXES:
        raise errors.status("OUT_OF_RANGE", f"{n} boxes")
    cdef void *memory = fb_alloc_zeroed(bytes_of(n))
    if memory == NULL:
        raise MemoryError()
    try:
        with nogil:
            status = fb_rtree_pack(boxes, ids, n, <fb_rtree_node_t *>memory, &twice)
        check_status(status, f"{n} boxes")
        if twice != n:
            raise checks.id_twice(twice, ids[twice])
        nodes = new_nodes(memory, n, True)
        memory = NULL
        return nodes
    finally:
        fb_free_zeroed(memory)


cdef Nodes repacked(const fb_rtree_view_t *view):
    """A packed tree of the boxes of another."""
    cdef double *boxes = <double *>fb_alloc_zeroed(view.n * 4 * sizeof(double))
    cdef int64_t *ids = <int64_t *>fb_alloc_zeroed(view.n * sizeof(int64_t))
    try:
        if boxes == NULL or ids == NULL:
            raise MemoryError()
        with nogil:
            fb_rtree_items(view, ids, boxes)
        return packed_nodes(boxes, ids, view.n)
    finally:
        fb_free_zeroed(boxes)
        fb_free_zeroed(ids)


cdef Nodes loose_nodes(const fb_rtree_view_t *view):
    """A tree of the boxes of another, to be changed."""
    cdef Nodes nodes = Nodes.__new__(Nodes)
    with nogil:
        nodes.tree = fb_rtree_loose(view)
    if nodes.tree == NULL:
        raise MemoryError()
    return nodes


cdef object read_box(object value, str name, fb_rtree_box_t *box):
    """One box: four floats in a tuple or list at once, all else by the checks."""
    cdef double numbers[4]
    cdef object number
    cdef int i
    if type(value) is tuple and PyTuple_GET_SIZE(value) == 4:
        for i in range(4):
            number = <object>PyTuple_GET_ITEM(value, i)
            if not PyFloat_CheckExact(number):
                break
            numbers[i] = PyFloat_AS_DOUBLE(number)
        else:
            memcpy(box, numbers, sizeof(numbers))
            if fb_rtree_check_boxes(numbers, 1):
                return None
    box.min_x, box.min_y, box.max_x, box.max_y = checks.box_of(name, value)


cdef double read_number(object value, str name) except? -7.25:
    if PyFloat_CheckExact(value) and isfinite(PyFloat_AS_DOUBLE(value)):
        return PyFloat_AS_DOUBLE(value)
    return checks.number_of(name, value)


cdef object read_boxes(object boxes, str name):
    """Boxes as an array that is checked."""
    rows = checks.box_array(name, boxes)
    cdef size_t n = rows.shape[0], bad
    cdef const double *numbers = <const double *>data_of(rows)
    with nogil:
        bad = fb_rtree_check_boxes(numbers, n)
    if bad < n:
        raise checks.bad_box(f"{name}[{bad}]", rows[bad])
    return rows


cdef class RTree(Flat):
    """RTree(boxes=None, ids=None)\n--\n\n\
    Boxes in the plane, by id: which of them meet a box, and which are nearest to a point.

    Parameters
    ----------
    boxes : array-like of float, shape (n, 4), optional
        Rows of ``(min_x, min_y, max_x, max_y)``: finite, min <= max. A point is a box with min = max.
        Less than 2**32 - 1 of them.
    ids : array-like of int, shape (n,), optional
        Different numbers of 64 bits with sign; 0 to n - 1 by default.

    Raises
    ------
    TypeError
        If an argument is not an array of numbers, or of integers.
    ValueError
        If a shape is another, a box is none, or an id is there twice.

    Notes
    -----
    Boxes are closed: touching is intersecting. Numbers are float64, and ``-0.0`` is ``0.0``.

    Making a tree of n boxes is O(n): they are sorted along a Hilbert curve and cut into nodes of 16, in
    one run of memory, 42.7 bytes a box. A query is O(log n + answers) where boxes overlap little. The
    first ``id in tree`` makes a map from ids to places, 5 bytes a box, O(n). The first change makes a tree
    whose nodes have room, 53 bytes a box with that map, O(n log n). From then on a change is O(log n), plus
    O(log n) on average for making that tree anew each time as many changes were made as a quarter of the
    boxes; it is a pause for who changes, and for nobody who searches.

    Distances are those to the nearest point of a box, ``sqrt(dx*dx + dy*dy)`` in float64. Of boxes with
    equal ``dx*dx + dy*dy``, those with lower ids are nearer.

    Threads: any number may search, without a lock, while others change the tree: each search, and each
    batch, is answered by the boxes as they were at one moment. Changes wait for each other, and so does
    ``id in tree``. Batches release the GIL.

    A tree that was opened from a file is searched in place, and shared with all processes that open it;
    it cannot be changed, but its `copy` can. Equal boxes with equal ids have the same bytes, whatever
    was done to come to them.

    Examples
    --------
    >>> from fastblocks import RTree
    >>> tree = RTree([(0, 0, 2, 2), (1, 1, 3, 3), (5, 5, 6, 6)], ids=[10, 20, 30])
    >>> sorted(tree.query((2, 2, 4, 4)).tolist())
    [10, 20]
    >>> tree.nearest(5, 4, k=2)
    (array([30, 20]), array([1.        , 2.23606798]))
    >>> tree.insert(40, (4, 4, 4, 4))
    >>> tree.remove(30)
    >>> tree.nearest(5, 4)
    (array([40]), array([1.]))
    >>> len(tree), 40 in tree, tree.bounds
    (3, True, (0.0, 0.0, 4.0, 4.0))
    """

    cdef Nodes nodes   # of the newest view; for changes, with `whole`
    cdef View view     # the newest one
    cdef size_t saved  # boxes that the payload holds

    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self.allocate(0)
        self.take_over(new_nodes(NULL, 0, False))

    def __init__(self, boxes=None, ids=None):
        self.begin_init()
        rows = read_boxes(() if boxes is None else boxes, "boxes")
        cdef size_t n = rows.shape[0]
        numbers = None if ids is None else checks.id_array(ids, n)
        cdef Nodes nodes = packed_nodes(
            <const double *>data_of(rows), NULL if ids is None else <int64_t *>data_of(numbers), n
        )
        with self.whole:
            self.begin_init()
            self.take_over(nodes)
            self.made = True

    # ---- changes ----------------------------------------------------------------------------

    def insert(self, id, box):
        """Add a box.

        Parameters
        ----------
        id : int
            In ``[-2**63, 2**63)``, and not there yet.
        box : (min_x, min_y, max_x, max_y)

        Raises
        ------
        TypeError
            If `id` is not an int, or `box` is not of numbers.
        ValueError
            If the id is there already or out of range, or the box is none.
        io.UnsupportedOperation
            If the tree was opened from a file.

        Examples
        --------
        >>> from fastblocks import RTree
        >>> tree = RTree()
        >>> tree.insert(7, (0.0, 0.0, 1.0, 1.0))
        >>> list(tree)
        [7]
        """
        cdef fb_rtree_box_t given
        cdef fb_status_t status
        self.check_writable("insert")
        cdef int64_t number = checks.id_of(id)
        read_box(box, "box", &given)
        with self.whole:
            self.loosen()
            if fb_rtree_has(self.nodes.tree, number):
                raise checks.id_there(number)
            view = self.successor()
            status = fb_rtree_insert(self.nodes.tree, number, &given, view is not None)
            self.changed(status, view)

    def remove(self, id):
        """Take a box away.

        Parameters
        ----------
        id : int

        Raises
        ------
        KeyError
            If it is not there.
        TypeError
            If it is not an int.
        ValueError
            If it is not in ``[-2**63, 2**63)``.
        io.UnsupportedOperation
            If the tree was opened from a file.
        """
        cdef fb_status_t status
        self.check_writable("remove")
        cdef int64_t number = checks.id_of(id)
        with self.whole:
            self.loosen()
            if not fb_rtree_has(self.nodes.tree, number):
                raise checks.id_unknown(number)
            view = self.successor()
            status = fb_rtree_remove(self.nodes.tree, number, view is not None)
            self.changed(status, view)

    cdef int loosen(self) except -1:
        """Before a change; to be called with `whole`."""
        if fb_rtree_worn(self.nodes.tree):
            self.take_over(loose_nodes(self.view.view))
        return 0

    cdef int prepare(self) except -1:
        """Before ids are asked for; to be called with `whole`."""
        cdef fb_status_t status
        cdef fb_rtree_t *tree = self.nodes.tree
        if self.view.view.n < 1000:
            status = fb_rtree_prepare(tree)
        else:
            status = self.prepare_long(tree)
        return check_status(status, f"{self.view.view.n} boxes")

    cdef fb_status_t prepare_long(self, fb_rtree_t *tree) noexcept:
        cdef fb_status_t status
        with nogil:
            status = fb_rtree_prepare(tree)
        return status

    cdef View successor(self):
        """A view to follow the newest one; None if that can change, for nobody searches it.

        Whoever searches has a reference. Without a GIL another thread may take one at any moment.
        """
        if FB_HAVE_GIL and Py_REFCNT(self.view) == 1:
            return None
        return View.__new__(View)

    cdef int changed(self, fb_status_t status, View view) except -1:
        """After a change, with the view that follows; to be called with `whole`."""
        check_status(status, "a change")
        if view is not None:
            self.show(view, self.nodes)
        return 0

    cdef int take_over(self, Nodes nodes) except -1:
        cdef View view = View.__new__(View)
        self.show(view, nodes)
        self.nodes = nodes
        return 0

    cdef int show(self, View view, Nodes nodes) except -1:
        view.view = fb_rtree_view(nodes.tree)
        view.nodes = nodes
        with cython.critical_section(self):
            self.view = view
        return 0

    cdef View current(self):
        cdef View view
        with cython.critical_section(self):
            view = self.view
        return view

    # ---- searches ---------------------------------------------------------------------------

    def query(self, box):
        """Return which boxes meet a box.

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
        cdef fb_rtree_box_t given
        cdef fb_rtree_found_t found
        read_box(box, "box", &given)
        cdef View view = self.current()
        memset(&found, 0, sizeof(found))
        try:
            check_status(fb_rtree_query(view.view, &given, &found), "the answers")
            return array_of(found.ids, found.n)
        finally:
            free(found.ids)

    def query_many(self, boxes):
        """Return which boxes meet each of some boxes.

        Parameters
        ----------
        boxes : array-like of float, shape (m, 4)

        Returns
        -------
        query_index : ndarray of int64, shape (pairs,)
            Indices into `boxes`, ascending.
        ids : ndarray of int64, shape (pairs,)
            Ids of boxes that meet them; those of one box in no particular order.

        Raises
        ------
        TypeError
            If `boxes` is not an array of numbers.
        ValueError
            If its shape is another, or one is no box.

        Examples
        --------
        >>> from fastblocks import RTree
        >>> tree = RTree([(0, 0, 1, 1), (2, 2, 3, 3)])
        >>> tree.query_many([(2, 2, 2, 2), (8, 8, 9, 9), (0, 0, 0, 5)])
        (array([0, 2]), array([1, 0]))
        """
        rows = read_boxes(boxes, "boxes")
        cdef const double *numbers = <const double *>data_of(rows)
        cdef size_t m = rows.shape[0]
        cdef fb_rtree_found_t found
        cdef fb_status_t status
        cdef int64_t *index
        cdef uint64_t *ends = <uint64_t *>malloc((m + 1) * sizeof(uint64_t))
        cdef View view = self.current()
        memset(&found, 0, sizeof(found))
        try:
            if ends == NULL:
                raise MemoryError()
            with nogil:
                status = fb_rtree_query_many(view.view, numbers, m, &found, ends)
            check_status(status, "the answers")
            queries = out_array(None, found.n, "int64")
            index = <int64_t *>data_of(queries)
            with nogil:
                fb_rtree_spread(ends, m, index)
            return queries, array_of(found.ids, found.n)
        finally:
            free(found.ids)
            free(ends)

    def count_many(self, boxes):
        """Return how many boxes meet each of some boxes.

        Parameters
        ----------
        boxes : array-like of float, shape (m, 4)

        Returns
        -------
        ndarray of int64, shape (m,)

        Raises
        ------
        TypeError
            If `boxes` is not an array of numbers.
        ValueError
            If its shape is another, or one is no box.
        """
        rows = read_boxes(boxes, "boxes")
        cdef const double *numbers = <const double *>data_of(rows)
        cdef size_t m = rows.shape[0]
        cdef View view = self.current()
        result = out_array(None, m, "int64")
        cdef int64_t *counts = <int64_t *>data_of(result)
        with nogil:
            fb_rtree_count_many(view.view, numbers, m, counts)
        return result

    def nearest(self, x, y, k=1, max_distance=1e999):
        """Return the boxes that are nearest to a point.

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
            0 for boxes that hold the point.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If one is out of range.
        """
        cdef double point[2]
        point[0] = read_number(x, "x")
        point[1] = read_number(y, "y")
        cdef size_t want = checks.k_of(k), n
        cdef double most = checks.max_distance_of(max_distance)
        cdef View view = self.current()
        want = min(want, view.view.n)
        cdef int64_t *ids = <int64_t *>malloc((want + 1) * (sizeof(int64_t) + sizeof(double)))
        cdef double *distances = <double *>(ids + want)
        try:
            if ids == NULL:
                raise MemoryError()
            n = fb_rtree_nearest(view.view, point, 1, want, most, ids, distances) if want else 0
            return array_of(ids, n), floats_of(distances, n)
        finally:
            free(ids)

    def nearest_many(self, points, k=1, max_distance=1e999):
        """Return the boxes that are nearest to each of some points.

        Parameters
        ----------
        points : array-like of float, shape (m, 2)
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
            If one is out of range, or a point is not finite.
        MemoryError
            If there is not enough memory for the answer.

        Examples
        --------
        >>> from fastblocks import RTree
        >>> RTree([(0, 0, 1, 1)]).nearest_many([(3, 1), (1, 1)], k=2)
        (array([[ 0, -1],
               [ 0, -1]]), array([[ 2., inf],
               [ 0., inf]]))
        """
        rows = checks.point_array("points", points)
        cdef const double *numbers = <const double *>data_of(rows)
        cdef size_t m = rows.shape[0], bad
        with nogil:
            bad = fb_rtree_check_numbers(numbers, 2 * m)
        if bad < 2 * m:
            raise checks.bad_number(f"points[{bad // 2}, {bad % 2}]", numbers[bad])
        cdef size_t want = checks.k_of(k)
        cdef double most = checks.max_distance_of(max_distance)
        cdef View view = self.current()
        if m and want > MAX_ANSWERS // m:
            raise MemoryError(f"cannot allocate {m} rows of {want} answers")
        ids = out_array(None, m * want, "int64")
        distances = out_array(None, m * want, "float64")
        cdef int64_t *near = <int64_t *>data_of(ids)
        cdef double *far = <double *>data_of(distances)
        with nogil:
            fb_rtree_nearest(view.view, numbers, m, want, most, near, far)
        return ids.reshape(m, want), distances.reshape(m, want)

    def join(self, other):
        """Return which boxes of two trees meet.

        Parameters
        ----------
        other : RTree
            May be the same one: then each box meets itself, and each pair is found both ways.

        Returns
        -------
        ids : ndarray of int64, shape (pairs,)
        other_ids : ndarray of int64, shape (pairs,)
            Every pair of boxes that meet, once, in no particular order.

        Raises
        ------
        TypeError
            If `other` is no RTree.

        Examples
        --------
        >>> from fastblocks import RTree
        >>> RTree([(0, 0, 1, 1), (2, 2, 3, 3)]).join(RTree([(3, 3, 4, 4)], ids=[7]))
        (array([1]), array([7]))
        """
        if not isinstance(other, RTree):
            raise errors.not_a("other", RTree, other)
        cdef View ours = self.current(), theirs = (<RTree>other).current()
        cdef fb_rtree_found_t found
        cdef fb_status_t status
        found.n, found.max = 0, 64
        found.ids = <int64_t *>malloc(found.max * sizeof(int64_t))
        found.others = <int64_t *>malloc(found.max * sizeof(int64_t))
        try:
            if found.ids == NULL or found.others == NULL:
                raise MemoryError()
            with nogil:
                status = fb_rtree_join(ours.view, theirs.view, &found)
            check_status(status, "the answers")
            return array_of(found.ids, found.n), array_of(found.others, found.n)
        finally:
            free(found.ids)
            free(found.others)

    # ---- what there is ----------------------------------------------------------------------

    def __len__(self):
        return self.current().view.n

    def __contains__(self, id):
        cdef int64_t number = checks.id_of(id)
        with self.whole:
            self.prepare()
            return fb_rtree_has(self.nodes.tree, number)

    def __iter__(self):
        return iter(self.items()[0].tolist())

    def items(self):
        """Return all boxes.

        Returns
        -------
        ids : ndarray of int64, shape (n,)
            Ascending.
        boxes : ndarray of float64, shape (n, 4)
            Rows of ``(min_x, min_y, max_x, max_y)``.
        """
        cdef View view = self.current()
        cdef size_t n = view.view.n
        ids, boxes = out_array(None, n, "int64"), out_array(None, 4 * n, "float64")
        cdef int64_t *numbers = <int64_t *>data_of(ids)
        cdef double *rows = <double *>data_of(boxes)
        with nogil:
            fb_rtree_items(view.view, numbers, rows)
        order = ids.argsort()
        return ids[order], boxes.reshape(n, 4)[order]

    @property
    def bounds(self):
        """The box of all boxes, ``(min_x, min_y, max_x, max_y)``; None if there are none."""
        cdef View view = self.current()
        if view.view.n == 0:
            return None
        cdef fb_rtree_box_t box = fb_rtree_bounds(view.view)
        return box.min_x, box.min_y, box.max_x, box.max_y

    @property
    def nbytes(self):
        """Bytes of memory, or of mapped file, that the tree takes."""
        with self.whole:
            return fb_rtree_bytes(self.nodes.tree)

    def __sizeof__(self):
        return object.__sizeof__(self) + (self.nbytes if self.mapping is None else 0)

    def __eq__(self, other):
        if not isinstance(other, RTree):
            return NotImplemented
        ids, boxes = self.items()
        other_ids, other_boxes = other.items()
        same = ids.shape == other_ids.shape and (ids == other_ids).all()
        return bool(same and (boxes == other_boxes).all())

    __hash__ = None

    def __repr__(self):
        return f"{type(self).__name__}({len(self)} boxes)"

    # ---- state ------------------------------------------------------------------------------

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.view.view.n
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef uint64_t n = state.params[0]
        self.saved = <size_t>n
        return (
            n <= MAX_BOXES and state.payload_bytes == bytes_of(<size_t>n) and params_end_at(state, 1)
        )

    cdef size_t gathered(self) except? 0xC7A3:
        return bytes_of(self.view.view.n)

    cdef int gather(self, void *into) except -1:
        cdef const fb_rtree_view_t *view = self.view.view
        cdef Nodes packed
        cdef size_t size = bytes_of(view.n)
        if size:
            packed = self.nodes if view.packed else repacked(view)
            view = fb_rtree_view(packed.tree)
            with nogil:
                memcpy(into, view.chunks[0], size)
        return 0

    cdef bint sound(self) except -1:
        """Whether the payload is such a tree."""
        cdef const fb_rtree_node_t *nodes = <const fb_rtree_node_t *>self.payload
        cdef size_t n = self.saved
        cdef cbool sound
        cdef fb_status_t status = FB_OK
        with nogil:
            sound = fb_rtree_packed(nodes, n)
            if sound:
                status = fb_rtree_distinct(nodes, n, &sound)
        check_status(status, f"{n} boxes")
        return sound

    cdef int map(self, object path, object mode, bint verify) except -1:
        Flat.map(self, path, mode, verify)
        if verify and not self.sound():
            raise errors.status("STATE_PARAMS", files.path_of(path))
        return 0

    cdef bint admit(self) except -1:
        cdef size_t n = self.saved
        if self.owned and not self.sound():
            return False
        self.take_over(new_nodes(self.payload, n, self.owned))
        if self.owned:  # by the nodes from here on
            self.owned = False
            self.payload = NULL
        return True


fb_cpu_level()
