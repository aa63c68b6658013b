"""GeoIndex: points on the sphere that come, move and go, and which are near."""

import os

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastblocks._core import boxes as checks
from fastblocks._core import points

from fastblocks._core.arrays cimport array_of, data_of, floats_of, new_array, out_array
from fastblocks._core.columns cimport is_latlng, plain_double
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.geo._points cimport (
    SET, Points, fb_quads_end, fb_quads_found_t, fb_quads_t, id_number, indices_of, positive, wanted,
)

cdef extern from "geo/geoindex.h" nogil:
    fb_status_t fb_geoindex_begin(fb_quads_t *t, uint64_t seed)
    size_t fb_geoindex_nearest(const fb_quads_t *t, const double *lat, const double *lng, size_t m,
                               size_t k, double most, int64_t *ids, double *metres)
    fb_status_t fb_geoindex_within(const fb_quads_t *t, const double *lat, const double *lng,
                                   const double *metres, size_t m, size_t limit,
                                   fb_quads_found_t *found, uint64_t *ends)

cdef uint32_t KIND = FB_STATE_FOURCC(c"G", c"E", c"O", c"I")
cdef enum:
    VERSION = 1

cdef size_t MAX_ANSWERS = <size_t>1 << 46


cdef int read_point(object lat, object lng, double *a, double *b) except -1:
    if plain_double(lat, a) and plain_double(lng, b) and is_latlng(a[0], b[0]):
        return 0
    a[0] = points.number("lat", lat, -90.0, 90.0)
    b[0] = points.number("lng", lng)
    return 0


cdef list read_points(object lats, object lngs):
    return points.columns(("lats", lats, -90.0, 90.0), ("lngs", lngs, -INFINITY, INFINITY))


cdef class GeoIndex(Points):
    """GeoIndex(id_type=int)\n--\n\n\
    Points on the sphere, by id, that come, move and go: which are within a distance, or nearest.

    Parameters
    ----------
    id_type : {int, str}
        What ids are.

    Raises
    ------
    ValueError
        If `id_type` is neither.

    Notes
    -----
    Distances are those of `fastblocks.geo.distance.haversine`: great circles on a sphere of 6371008.8 m. They
    alone decide which points are found, and in which order, at the poles and across the antimeridian as
    elsewhere. Of points at the same distance those with lower ids are nearer; if ids are strings, those
    that were set first. Longitudes outside [-180, 180] are wrapped; ``-0.0`` is ``0.0``. Numbers as ids
    are in ``[-2**63, 2**63)``, and come back as int64 arrays; strings come back as lists, or arrays of
    objects.

    To move a point within its leaf is O(1): a look-up, a comparison, a few stores. Other changes are
    O(depth), at most 24. A point takes about 85 bytes, a string besides what Python's dicts take.

    Threads: any number may use an index. Changes wait for searches in batches, and those for changes; batches
    release the GIL, and searches in batches run side by side unless ids are strings. Each call, and
    each batch, is answered by the points as they are at one moment.

    Examples
    --------
    >>> from fastblocks import GeoIndex
    >>> cities = GeoIndex(str)
    >>> cities.set_many(["Lisboa", "Berlin", "Paris"], [38.71, 52.52, 48.86], [-9.14, 13.41, 2.35])
    >>> cities.nearest(50.0, 8.0, k=2)
    (['Paris', 'Berlin'], array([427687.92376566, 469085.57386741]))
    >>> cities.within(38.0, -9.0, 100_000)
    (['Lisboa'], array([79886.71043738]))
    >>> cities.set("Lisboa", 38.72, -9.14)
    >>> cities["Lisboa"], len(cities), "Porto" in cities
    ((38.72, -9.14), 3, False)
    """

    cdef dict names      # id to number, in order, if ids are strings
    cdef dict strings    # number to id
    cdef int64_t next_number
    cdef size_t text     # bytes of the strings that the payload holds

    def __cinit__(self, *args, **kwargs):
        self.start()

    def __init__(self, id_type=int):
        self.begin_init()
        if id_type is not int and id_type is not str:
            raise ValueError(f"id_type must be int or str, not {id_type!r}")
        with self.whole:
            self.begin_init()
            self.names = {} if id_type is str else None
            self.strings = {}
            self.made = True

    cdef int start(self) except -1:
        cdef uint64_t seed = int.from_bytes(os.urandom(8), "little")
        fb_quads_end(&self.tree)
        return check_status(fb_geoindex_begin(&self.tree, seed), type(self).__name__)

    cdef bint possible(self, const double *a, const double *b, size_t n) noexcept:
        cdef size_t i
        for i in range(n):
            if not is_latlng(a[i], b[i]):
                return False
        return True

    @property
    def id_type(self):
        """What ids are: ``int`` or ``str``."""
        return int if self.names is None else str

    # ---- strings as ids: all of it with `whole` -----------------------------------------------

    cdef int64_t number_of(self, object name) except? -0x5EED:
        """The number of an id; KeyError if there is none."""
        number = self.names.get(points.string_id(name))
        if number is None:
            raise checks.id_unknown(name)
        return number

    cdef int64_t number_for(self, str name) except? -0x5EED:
        """The number of an id, which may be new."""
        number = self.names.get(name)
        if number is None:
            number = self.next_number
            self.strings[number] = name
            self.names[name] = number
            self.next_number += 1
        return number

    cdef list named(self, object numbers):
        return [self.strings.get(number) for number in numbers.tolist()]

    cdef object named_array(self, object numbers):
        import numpy as np

        result = np.empty(numbers.size, object)
        result[:] = self.named(numbers.ravel())
        return result.reshape(numbers.shape)

    # ---- changes ----------------------------------------------------------------------------

    def set(self, id, lat, lng):
        """Add a point, or give it another place.

        Parameters
        ----------
        id : int or str
        lat : float
            Degrees, in ``[-90, 90]``.
        lng : float
            Degrees, finite.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If one is out of range.
        """
        cdef double a, b
        cdef int64_t number
        if self.names is None:
            number = id_number(id)
            read_point(lat, lng, &a, &b)
            check_status(self.put_one(number, a, b, SET, False), "a point")
            return
        name = points.string_id(id)
        read_point(lat, lng, &a, &b)
        with self.whole:
            check_status(self.put_one(self.number_for(name), a, b, SET, True), "a point")

    def set_many(self, ids, lats, lngs):
        """Add points, or give them other places: all of them, or none if an argument is bad.

        Parameters
        ----------
        ids : array-like of int, or sequence of str, shape (n,)
            Where one stands there twice, the last place counts.
        lats : array-like of float, shape (n,)
        lngs : array-like of float, shape (n,)

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If a shape is another, or a number out of range.
        """
        import numpy as np

        columns = read_points(lats, lngs)
        n = len(columns[0])
        if self.names is None:
            self.put_many(points.id_column(ids, n), columns, SET)
            return
        names = points.string_ids(ids, n)
        with self.whole:
            self.put_held(np.array([self.number_for(name) for name in names], np.int64), columns, SET)

    def remove(self, id):
        """Take a point away.

        Parameters
        ----------
        id : int or str

        Raises
        ------
        KeyError
            If there is no point of that id.
        TypeError
            If `id` is of the wrong type.
        ValueError
            If it is out of range.
        """
        cdef int64_t number
        if self.names is None:
            number = id_number(id)
            if not self.take_one(number):
                raise checks.id_unknown(number)
            return
        with self.whole:
            number = self.number_of(id)
            self.take_one_held(number)
            del self.names[self.strings.pop(number)]

    def remove_many(self, ids):
        """Take points away: all of them, or none if an argument is bad.

        Parameters
        ----------
        ids : array-like of int, or sequence of str, shape (n,)

        Raises
        ------
        KeyError
            If there is no point of an id, or it stands there twice.
        TypeError
            If `ids` is of the wrong type.
        ValueError
            If its shape is another.
        """
        import numpy as np

        if self.names is None:
            self.take_many(points.id_column(ids))
            return
        names = points.string_ids(ids)
        with self.whole:
            numbers = {}
            for name in names:
                if name in numbers:
                    raise checks.id_unknown(name)
                numbers[name] = self.number_of(name)
            self.take_held(np.array(list(numbers.values()), np.int64))
            for name, number in numbers.items():
                del self.names[name], self.strings[number]

    # ---- searches ---------------------------------------------------------------------------

    def within(self, lat, lng, radius_m, limit=None):
        """Return the points within a distance of a point, nearest first.

        Parameters
        ----------
        lat : float
        lng : float
        radius_m : float
            Metres: 0 or more, or inf.
        limit : int, optional
            At most so many, 1 or more.

        Returns
        -------
        ids : ndarray of int64, or list of str
        metres : ndarray of float64

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If one is out of range.
        """
        cdef double a, b, most
        cdef size_t most_answers
        read_point(lat, lng, &a, &b)
        most = positive(radius_m, "radius_m")
        most_answers = points.limit_of(limit)
        if self.names is None:
            return self.find_within(&a, &b, &most, 1, most_answers)[1:]
        with self.whole:
            _, ids, metres = self.find_within(&a, &b, &most, 1, most_answers)
            return self.named(ids), metres

    def within_many(self, lats, lngs, radius_m, limit=None):
        """Return the points within distances of each of some points, nearest first.

        Parameters
        ----------
        lats : array-like of float, shape (m,)
        lngs : array-like of float, shape (m,)
        radius_m : float or array-like of float, shape (m,)
            Metres: 0 or more, or inf.
        limit : int, optional
            At most so many for each, 1 or more.

        Returns
        -------
        query_index : ndarray of int64, shape (pairs,)
            Indices into `lats`, ascending.
        ids : ndarray of int64, or of str objects, shape (pairs,)
        metres : ndarray of float64, shape (pairs,)

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If a shape is another, or a number out of range.
        """
        columns = points.columns(
            ("lats", lats, -90.0, 90.0), ("lngs", lngs, -INFINITY, INFINITY),
            ("radius_m", radius_m, 0.0, INFINITY),
        )
        cdef const double *a = <const double *>data_of(columns[0])
        cdef const double *b = <const double *>data_of(columns[1])
        cdef const double *most = <const double *>data_of(columns[2])
        cdef size_t most_answers = points.limit_of(limit), m = len(columns[0])
        if self.names is None:
            return self.find_within(a, b, most, m, most_answers)
        with self.whole:
            queries, ids, metres = self.find_within(a, b, most, m, most_answers)
            return queries, self.named_array(ids), metres

    cdef tuple find_within(
        self, const double *lat, const double *lng, const double *most, size_t m, size_t limit
    ):
        cdef fb_quads_found_t found
        cdef fb_status_t status
        cdef uint64_t one = 0
        cdef uint64_t *ends = &one
        cdef void *memory = NULL
        if m != 1:
            memory = malloc((m + 1) * sizeof(uint64_t))
            if memory == NULL:
                raise MemoryError()
            ends = <uint64_t *>memory
        memset(&found, 0, sizeof(found))
        try:
            if m == 1 and self.alone():
                status = fb_geoindex_within(&self.tree, lat, lng, most, m, limit, &found, ends)
            else:
                self.begin_reading()
                with nogil:
                    status = fb_geoindex_within(&self.tree, lat, lng, most, m, limit, &found, ends)
                self.end_reading()
            check_status(status, "the answers")
            return (
                indices_of(ends, m), array_of(found.ids, found.n), floats_of(found.distances, found.n)
            )
        finally:
            free(memory)
            free(found.ids)
            free(found.distances)

    def nearest(self, lat, lng, k=1, max_m=1e999):
        """Return the points that are nearest to a point.

        Parameters
        ----------
        lat : float
        lng : float
        k : int, default 1
            How many, in ``[1, 2**31)``; if there are fewer, all are returned.
        max_m : float, default inf
            Metres, 0 or more: points that are further are left out.

        Returns
        -------
        ids : ndarray of int64, or list of str
            Nearest first.
        metres : ndarray of float64

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If one is out of range.
        """
        cdef double a, b, most
        cdef size_t want
        read_point(lat, lng, &a, &b)
        want = wanted(k)
        most = positive(max_m, "max_m")
        if self.names is None:
            return self.find_nearest(a, b, want, most)
        with self.whole:
            ids, metres = self.find_nearest(a, b, want, most)
            return self.named(ids), metres

    cdef tuple find_nearest(self, double lat, double lng, size_t want, double most):
        cdef size_t n
        want = min(want, self.tree.n + 1)  # there may be more in a moment, which need not be told
        ids, metres = new_array(want, False), new_array(want, True)
        cdef int64_t *near = <int64_t *>data_of(ids)
        cdef double *far = <double *>data_of(metres)
        if self.alone():
            n = fb_geoindex_nearest(&self.tree, &lat, &lng, 1, want, most, near, far)
        else:
            self.begin_reading()
            n = fb_geoindex_nearest(&self.tree, &lat, &lng, 1, want, most, near, far)
            self.end_reading()
        return (ids, metres) if n == want else (array_of(near, n), floats_of(far, n))

    def nearest_many(self, lats, lngs, k=1, max_m=1e999):
        """Return the points that are nearest to each of some points.

        Parameters
        ----------
        lats : array-like of float, shape (m,)
        lngs : array-like of float, shape (m,)
        k : int, default 1
            How many for each, in ``[1, 2**31)``.
        max_m : float, default inf
            Metres, 0 or more: points that are further are left out.

        Returns
        -------
        ids : ndarray of int64, or of str objects, shape (m, k)
            Nearest first; -1, or None, where there are fewer.
        metres : ndarray of float64, shape (m, k)
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
        columns = read_points(lats, lngs)
        cdef size_t want = wanted(k)
        cdef double most = positive(max_m, "max_m")
        if self.names is None:
            return self.find_nearest_many(columns, want, most)
        with self.whole:
            ids, metres = self.find_nearest_many(columns, want, most)
            return self.named_array(ids), metres

    cdef tuple find_nearest_many(self, list columns, size_t want, double most):
        cdef const double *a = <const double *>data_of(columns[0])
        cdef const double *b = <const double *>data_of(columns[1])
        cdef size_t m = len(columns[0])
        if m and want > MAX_ANSWERS // m:
            raise MemoryError(f"cannot allocate {m} rows of {want} answers")
        ids, metres = out_array(None, m * want, "int64"), out_array(None, m * want, "float64")
        cdef int64_t *near = <int64_t *>data_of(ids)
        cdef double *far = <double *>data_of(metres)
        self.begin_reading()
        with nogil:
            fb_geoindex_nearest(&self.tree, a, b, m, want, most, near, far)
        self.end_reading()
        return ids.reshape(m, want), metres.reshape(m, want)

    # ---- what there is ----------------------------------------------------------------------

    def position(self, id):
        """Return where a point is; ``index[id]`` is the same.

        Parameters
        ----------
        id : int or str

        Returns
        -------
        (lat, lng) : tuple of float

        Raises
        ------
        KeyError
            If there is no point of that id.
        TypeError
            If `id` is of the wrong type.
        ValueError
            If it is out of range.
        """
        return self[id]

    def __getitem__(self, id):
        cdef double a, b
        cdef int64_t number
        if self.names is None:
            number = id_number(id)
            if not self.place_of(number, &a, &b):
                raise checks.id_unknown(number)
            return a, b
        with self.whole:
            self.place_of(self.number_of(id), &a, &b)
        return a, b

    def __contains__(self, id):
        cdef double a, b
        if self.names is None:
            return self.place_of(id_number(id), &a, &b)
        name = points.string_id(id)
        with self.whole:
            return name in self.names

    def __iter__(self):
        return iter(self.items()[0] if self.names is not None else self.items()[0].tolist())

    def items(self):
        """Return all points.

        Returns
        -------
        ids : ndarray of int64, or list of str, n of them
            Ascending; strings in the order in which they were set first.
        lats : ndarray of float64, shape (n,)
        lngs : ndarray of float64, shape (n,)
        """
        if self.names is None:
            return self.still_points()
        with self.whole:
            numbers, lats, lngs = self.all_points()
            return self.named(numbers), lats, lngs

    def __eq__(self, other):
        if not isinstance(other, GeoIndex):
            return NotImplemented
        ids, lats, lngs = self.items()
        other_ids, other_lats, other_lngs = other.items()
        return self.id_type is other.id_type and dict(
            zip(ids, zip(lats.tolist(), lngs.tolist()))
        ) == dict(zip(other_ids, zip(other_lats.tolist(), other_lngs.tolist())))

    __hash__ = None

    def __repr__(self):
        return f"{type(self).__name__}({self.id_type.__name__}, {len(self)} points)"

    # ---- state ------------------------------------------------------------------------------

    cdef bytes texts(self):
        """Lengths of the strings in UTF-8, and these."""
        import numpy as np

        if self.names is None:
            return b""
        texts = [name.encode("utf-8", "surrogatepass") for name in self.names]
        return np.array([len(text) for text in texts], np.int64).tobytes() + b"".join(texts)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.tree.n
        state.params[1] = self.names is not None
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef uint64_t n = state.params[0], size = state.payload_bytes
        if n >= 2**31 or state.params[1] > 1 or not params_end_at(state, 2):
            return False
        self.saved = <size_t>n
        self.strings = {}
        self.names = None
        self.next_number = 0
        if state.params[1] == 0:
            return size == n * 24
        self.names = {}
        self.text = <size_t>(size - n * 24)
        return size >= n * 32

    cdef size_t gathered(self) except? 0xC7A3:
        return self.tree.n * 24 + len(self.texts())

    cdef int gather(self, void *into) except -1:
        cdef size_t size = self.tree.n * 8
        cdef bytes texts = self.texts()
        ids, lats, lngs = self.all_points()
        if self.names is not None:
            ids[:] = range(len(ids))
        memcpy(into, data_of(ids), size)
        memcpy(<char *>into + size, data_of(lats), size)
        memcpy(<char *>into + 2 * size, data_of(lngs), size)
        memcpy(<char *>into + 3 * size, <char *>texts, len(texts))
        return 0

    cdef bint admit(self) except -1:
        cdef size_t n = self.saved
        cdef const int64_t *ids = <const int64_t *>self.payload
        if self.names is not None:
            text = (<const char *>self.payload)[24 * n : 24 * n + self.text]
            names = points.strings_of(text, n)
            if names is None or (n and (ids[0] != 0 or ids[n - 1] != <int64_t>(n - 1))):
                return False
            self.names = {name: number for number, name in enumerate(names)}
            self.strings = dict(enumerate(names))
            self.next_number = n
        return Points.admit(self)


fb_cpu_level()
