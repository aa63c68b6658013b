"""Geofence: which polygons hold each point."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

from fastblocks._core import check, fences

from fastblocks._core.arrays cimport array_of, data_of, out_array
from fastblocks._core.columns cimport RELEASE_GIL_FROM, Batch, is_latlng, plain_double
from fastblocks._core.flat cimport NO_WRITER, Flat
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport check_status, fb_status_t

cdef extern from *:
    ctypedef bint cbool "bool"

cdef extern from "geo/geofence.h" nogil:
    enum:
        FB_GEOFENCE_FAN
    size_t FB_GEOFENCE_MOST_VERTICES
    size_t FB_GEOFENCE_MOST
    ctypedef struct fb_geofence_t:
        const double *vertices
        const int64_t *ids
        const uint32_t *polygon_ends
        const uint32_t *ring_ends
        const uint32_t *nodes
        const uint32_t *words
        size_t n_vertices
        size_t n
        size_t n_rings
        size_t n_nodes
        size_t n_words
    ctypedef struct fb_geofence_found_t:
        int64_t *points
        int64_t *ids
        size_t n
        size_t max
    ctypedef struct fb_geofence_index_t:
        uint32_t *nodes
        uint32_t *words
        size_t n_nodes
        size_t n_words
    fb_status_t fb_geofence_build(const fb_geofence_t *fence, fb_geofence_index_t *index)
    bint fb_geofence_sound(const fb_geofence_t *fence)
    fb_status_t fb_geofence_query(const fb_geofence_t *fence, double y, double x,
                                  fb_geofence_found_t *found)
    fb_status_t fb_geofence_query_many(const fb_geofence_t *fence, const double *ys,
                                       const double *xs, size_t m, fb_geofence_found_t *found)
    void fb_geofence_first(const fb_geofence_t *fence, const double *ys, const double *xs, size_t m,
                           int64_t *ids)
    void fb_geofence_contains(const fb_geofence_t *fence, const double *ys, const double *xs,
                              size_t m, cbool *inside)

cdef uint32_t KIND = FB_STATE_FOURCC(c"G", c"F", c"N", c"C")
cdef enum:
    VERSION = 1


cdef size_t bytes_of(const fb_geofence_t *fence) noexcept:
    """A multiple of 8."""
    cdef size_t words = fence.n + fence.n_rings + fence.n_nodes * FB_GEOFENCE_FAN + fence.n_words
    return fence.n_vertices * 16 + fence.n * 8 + (words + 1) // 2 * 8


cdef int read_point(object lat, object lng, double *y, double *x) except -1:
    if not (plain_double(lat, y) and plain_double(lng, x) and is_latlng(y[0], x[0])):
        y[0], x[0] = fences.scalar_point(lat, lng)
    return 0


cdef class Geofence(Flat):
    """Geofence(polygons=(), ids=None)\n--\n\n\
    Polygons on a map, and which of them hold a point.

    Parameters
    ----------
    polygons : iterable, or GeoJSON-like
        GeoJSON as a dict (a FeatureCollection; a Feature, a Polygon or a MultiPolygon for one), anything
        with a ``__geo_interface__`` (shapely geometries, GeoDataFrames), or an iterable of polygons.
        Each of these is such a Feature, Polygon or MultiPolygon, or a ring of (latitude, longitude)
        pairs, or a list of rings: the outer one, then its holes. A Feature without a geometry holds
        no point.
    ids : array-like of int, shape (n,), optional
        Different numbers in ``[0, 2**63)``, the polygons' names in answers; 0 to n - 1 by default.

    Raises
    ------
    TypeError
        If an argument is not of these types.
    ValueError
        If a ring has less than 3 distinct points, a latitude is not in [-90, 90], a longitude is not
        finite, an edge spans more than 360 degrees, or an id is there twice.

    Notes
    -----
    Edges are straight lines of latitude and longitude, as GeoJSON has it. A point is in a polygon if an odd
    number of its rings goes round it: so holes are holes, and rings may cross themselves. A point on an
    edge or at a vertex is in: polygons are closed, and neighbours share their border. This is decided
    exactly, whatever the numbers, but that those below 2**-300 are taken for 0.

    Rings are closed if they are not. Longitudes outside [-180, 180] are wrapped. An edge of more than 180
    and less than 360 degrees of longitude takes the shorter way, across the antimeridian; one of 360 is the
    whole parallel. A ring that goes round a pole, and does not close along it, holds the pole that is
    nearer to the middle of its latitudes. The meridians -180 and 180 are one; a pole is a parallel as others
    are, with a longitude.

    Building is O(n log n) of n edges. A search is O(log n + answers) where edges are short. Batches
    release the GIL. A fence does not change; any number of threads may search it.

    Examples
    --------
    >>> from fastblocks import Geofence
    >>> fence = Geofence([
    ...     [[(0, 0), (0, 10), (10, 10), (10, 0)], [(4, 4), (4, 6), (6, 6), (6, 4)]],
    ...     [(5, 5), (5, 15), (15, 15), (15, 5)],
    ... ])
    >>> fence.query(7, 7), fence.query(5, 4.5)
    (array([0, 1]), array([], dtype=int64))
    >>> fence.query_many([7, 20, 12], [7, 20, 12])
    (array([0, 0, 2]), array([0, 1, 1]))
    >>> fence.first(1, 1), fence.contains(20, 20)
    (0, False)
    """

    cdef fb_geofence_t fence  # its arrays are in the payload
    cdef double[4] box

    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self.allocate(0)

    def __init__(self, polygons=(), ids=None):
        self.begin_init()
        rings, bounds = fences.rings_of(polygons)
        rings, numbers = fences.sorted_by_id(rings, fences.id_array(ids, len(rings.polygon_ends)))
        cdef fb_geofence_t fence
        cdef fb_geofence_index_t index
        cdef fb_status_t status
        fence.n, fence.n_rings = len(numbers), len(rings.ring_ends)
        fence.n_vertices = len(rings.vertices)
        fence.vertices = <const double *>data_of(rings.vertices)
        fence.ids = <const int64_t *>data_of(numbers)
        fence.polygon_ends = <const uint32_t *>data_of(rings.polygon_ends)
        fence.ring_ends = <const uint32_t *>data_of(rings.ring_ends)
        memset(&index, 0, sizeof(index))
        try:
            with nogil:
                status = fb_geofence_build(&fence, &index)
            check_status(status, f"polygons of {fence.n_vertices} vertices")
            fence.nodes, fence.words = index.nodes, index.words
            fence.n_nodes, fence.n_words = index.n_nodes, index.n_words
            with self.whole:
                self.allocate(bytes_of(&fence))
                self.take(&fence, bounds)
                self.made = True
        finally:
            free(index.nodes)
            free(index.words)

    cdef int take(self, const fb_geofence_t *fence, object bounds) except -1:
        """Copy a fence to the payload."""
        cdef size_t i
        self.fence = fence[0]
        self.attach()
        memcpy(<void *>self.fence.vertices, fence.vertices, fence.n_vertices * 16)
        memcpy(<void *>self.fence.ids, fence.ids, fence.n * 8)
        memcpy(<void *>self.fence.polygon_ends, fence.polygon_ends, fence.n * 4)
        memcpy(<void *>self.fence.ring_ends, fence.ring_ends, fence.n_rings * 4)
        if fence.n_nodes:
            memcpy(<void *>self.fence.nodes, fence.nodes, fence.n_nodes * FB_GEOFENCE_FAN * 4)
        if fence.n_words:
            memcpy(<void *>self.fence.words, fence.words, fence.n_words * 4)
        for i in range(4):
            self.box[i] = bounds[i]
        return 0

    @classmethod
    def from_geojson(cls, path, ids=None):
        """Make a fence of the polygons in a GeoJSON file.

        Parameters
        ----------
        path : str or os.PathLike
        ids : array-like of int, optional

        Returns
        -------
        Geofence

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is not GeoJSON, or its polygons are refused.
        """
        return cls(fences.read_geojson(path), ids)

    # ---- searches ---------------------------------------------------------------------------

    def query(self, lat, lng):
        """Return which polygons hold a point.

        Parameters
        ----------
        lat : float
            In [-90, 90].
        lng : float
            Wrapped to [-180, 180).

        Returns
        -------
        ndarray of int64
            Their ids, ascending.

        Raises
        ------
        TypeError
            If an argument is no float.
        ValueError
            If `lat` is out of range, or `lng` not finite.
        """
        cdef double y, x
        cdef fb_geofence_found_t found
        read_point(lat, lng, &y, &x)
        memset(&found, 0, sizeof(found))
        try:
            check_status(fb_geofence_query(&self.fence, y, x, &found), "the answers")
            return array_of(found.ids, found.n)
        finally:
            free(found.ids)

    def query_many(self, lats, lngs):
        """Return which polygons hold each of some points.

        Parameters
        ----------
        lats : array-like of float, shape (m,)
            In [-90, 90].
        lngs : array-like of float, shape (m,)
            Wrapped to [-180, 180).

        Returns
        -------
        point_index : ndarray of int64, shape (pairs,)
            Indices of points, ascending.
        ids : ndarray of int64, shape (pairs,)
            Ids of polygons that hold them; those of one point ascending.

        Raises
        ------
        TypeError
            If an argument is not an array of floats.
        ValueError
            If an item is out of range, or the shapes do not broadcast to one dimension.
        """
        cdef Batch batch = fences.point_batch(lats, lngs)
        check.one_dimension("lats", batch.shape)
        cdef const double *ys = <const double *>batch.data(0)
        cdef const double *xs = <const double *>batch.data(1)
        cdef size_t m = batch.n
        cdef fb_geofence_found_t found
        cdef fb_status_t status
        memset(&found, 0, sizeof(found))
        try:
            if m < RELEASE_GIL_FROM:
                status = fb_geofence_query_many(&self.fence, ys, xs, m, &found)
            else:
                with nogil:
                    status = fb_geofence_query_many(&self.fence, ys, xs, m, &found)
            check_status(status, "the answers")
            return array_of(found.points, found.n), array_of(found.ids, found.n)
        finally:
            free(found.ids)
            free(found.points)

    def first(self, lat, lng):
        """Return the lowest id of a polygon that holds a point; -1 if there is none.

        Parameters
        ----------
        lat : float
        lng : float

        Returns
        -------
        int

        Raises
        ------
        TypeError
            If an argument is no float.
        ValueError
            If `lat` is out of range, or `lng` not finite.
        """
        cdef double y, x
        cdef int64_t id
        read_point(lat, lng, &y, &x)
        fb_geofence_first(&self.fence, &y, &x, 1, &id)
        return id

    def first_many(self, lats, lngs, *, out=None):
        """Return the lowest id of a polygon that holds each point; -1 where there is none.

        Parameters
        ----------
        lats : array-like of float
        lngs : array-like of float
        out : ndarray of int64, optional

        Returns
        -------
        ndarray of int64
            Of the shape to which the arguments broadcast; a column of the same kind for columns.

        Raises
        ------
        TypeError
            If an argument is not an array of floats.
        ValueError
            If an item is out of range, or the shapes do not fit.

        Examples
        --------
        >>> from fastblocks import Geofence
        >>> fence = Geofence([[(0, 170), (0, -170), (10, 180)]], ids=[7])
        >>> fence.first_many([1.0, 1.0, 1.0], [179.0, -179.0, 169.0])
        array([ 7,  7, -1])
        """
        cdef Batch batch = fences.point_batch(lats, lngs)
        result = batch.result(out, "int64")
        cdef const double *ys = <const double *>batch.data(0)
        cdef const double *xs = <const double *>batch.data(1)
        cdef size_t m = batch.n
        cdef int64_t *ids = <int64_t *>data_of(result)
        if m < RELEASE_GIL_FROM:
            fb_geofence_first(&self.fence, ys, xs, m, ids)
        else:
            with nogil:
                fb_geofence_first(&self.fence, ys, xs, m, ids)
        return batch.give(result, out)

    def contains(self, lat, lng):
        """Return whether any polygon holds a point.

        Parameters
        ----------
        lat : float
        lng : float

        Returns
        -------
        bool

        Raises
        ------
        TypeError
            If an argument is no float.
        ValueError
            If `lat` is out of range, or `lng` not finite.
        """
        return self.first(lat, lng) >= 0

    def contains_many(self, lats, lngs, *, out=None):
        """Return whether any polygon holds each point.

        Parameters
        ----------
        lats : array-like of float
        lngs : array-like of float
        out : ndarray of bool, optional

        Returns
        -------
        ndarray of bool
            Of the shape to which the arguments broadcast; a column of the same kind for columns.

        Raises
        ------
        TypeError
            If an argument is not an array of floats.
        ValueError
            If an item is out of range, or the shapes do not fit.
        """
        cdef Batch batch = fences.point_batch(lats, lngs)
        result = batch.result(out, "bool")
        cdef const double *ys = <const double *>batch.data(0)
        cdef const double *xs = <const double *>batch.data(1)
        cdef size_t m = batch.n
        cdef cbool *inside = <cbool *>data_of(result)
        if m < RELEASE_GIL_FROM:
            fb_geofence_contains(&self.fence, ys, xs, m, inside)
        else:
            with nogil:
                fb_geofence_contains(&self.fence, ys, xs, m, inside)
        return batch.give(result, out)

    # ---- what there is ----------------------------------------------------------------------

    def __len__(self):
        return self.fence.n

    @property
    def ids(self):
        """The ids of the polygons, ascending; a copy."""
        return array_of(self.fence.ids, self.fence.n)

    @property
    def bounds(self):
        """West, south, east and north of all polygons; None if there are no rings.

        From -180 to 180 if a ring crosses the antimeridian, or has longitudes beyond.
        """
        if self.fence.n_rings == 0:
            return None
        return self.box[0], self.box[1], self.box[2], self.box[3]

    def __eq__(self, other):
        if not isinstance(other, Geofence):
            return NotImplemented
        cdef Geofence theirs = other
        return (
            self.size == theirs.size
            and self.bounds == theirs.bounds
            and len(self) == len(theirs)
            and memcmp(self.payload, theirs.payload, self.size) == 0
        )

    __hash__ = None

    def __repr__(self):
        return f"{type(self).__name__}({len(self)} polygons)"

    # ---- state ------------------------------------------------------------------------------

    cdef int describe(self, fb_state_t *state) except -1:
        cdef size_t i
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.fence.n
        state.params[1] = self.fence.n_rings
        state.params[2] = self.fence.n_vertices
        state.params[3] = self.fence.n_nodes
        state.params[4] = self.fence.n_words
        for i in range(4):
            state.params[5 + i] = word_of_double(self.box[i])
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef size_t i
        for i in range(5):
            if state.params[i] > FB_GEOFENCE_MOST:
                return False
        self.fence.n = <size_t>state.params[0]
        self.fence.n_rings = <size_t>state.params[1]
        self.fence.n_vertices = <size_t>state.params[2]
        self.fence.n_nodes = <size_t>state.params[3]
        self.fence.n_words = <size_t>state.params[4]
        for i in range(4):
            self.box[i] = double_of_word(state.params[5 + i])
        return state.payload_bytes == bytes_of(&self.fence) and params_end_at(state, 9)

    cdef int attach(self) except -1:
        cdef fb_geofence_t *fence = &self.fence
        if self.size < bytes_of(fence):  # copies come before their parameters
            return 0
        fence.vertices = <const double *>self.payload
        fence.ids = <const int64_t *>(fence.vertices + 2 * fence.n_vertices)
        fence.polygon_ends = <const uint32_t *>(fence.ids + fence.n)
        fence.ring_ends = fence.polygon_ends + fence.n
        fence.nodes = fence.ring_ends + fence.n_rings
        fence.words = fence.nodes + FB_GEOFENCE_FAN * fence.n_nodes
        return 0

    cdef bint admit(self) except -1:
        cdef bint sound
        with nogil:
            sound = fb_geofence_sound(&self.fence)
        return sound
