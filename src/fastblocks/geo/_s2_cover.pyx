"""Coverings: the few S2 cells that together hold a region."""

from libc.stdint cimport SIZE_MAX, uint64_t
from libc.string cimport memcpy

from fastblocks._core import coverings, errors
from fastblocks._core.polygons import edge_name, polygons_of

from fastblocks._core.arrays cimport data_of
from fastblocks._core.status cimport FB_FULL, FB_OUT_OF_RANGE, check_status, fb_status_t

cdef extern from "geo/s2_cover.h" nogil:
    ctypedef struct fb_s2_limits_t:
        size_t max_cells
        size_t most
        int min_level
        int max_level
    ctypedef struct fb_s2_found_t:
        uint64_t *cells
        size_t n
        size_t room
    ctypedef struct fb_s2_rings_t:
        const double *lat
        const double *lng
        const size_t *starts
        const void *outer
        size_t rings
    void fb_s2_found_free(fb_s2_found_t *found)
    fb_status_t fb_s2_cover_cap(
        double lat, double lng, double angle, fb_s2_limits_t limits, fb_s2_found_t *found)
    fb_status_t fb_s2_cover_rect(
        double south, double west, double north, double width, fb_s2_limits_t limits,
        fb_s2_found_t *found)
    fb_status_t fb_s2_cover_polygon(
        fb_s2_rings_t rings, fb_s2_limits_t limits, fb_s2_found_t *found, size_t *bad)

cdef fb_s2_limits_t limits_of(object max_cells, object min_level, object max_level) except *:
    cdef fb_s2_limits_t limits
    most, least, deepest = coverings.limits(max_cells, min_level, max_level)
    limits.max_cells = most
    limits.most = coverings.MOST_CELLS
    limits.min_level = least
    limits.max_level = deepest
    return limits

cdef object given(fb_status_t status, fb_s2_limits_t limits, fb_s2_found_t *found):
    """The cells found, as an array; frees them."""
    import numpy as np

    try:
        if status == FB_FULL:
            raise coverings.too_many(limits.min_level)
        check_status(status, "covering")
        cells = np.empty(found.n, np.uint64)
        if found.n:
            memcpy(data_of(cells), found.cells, found.n * sizeof(uint64_t))
        return cells
    finally:
        fb_s2_found_free(found)

def cover_cap(lat, lng, radius_m, max_cells=8, min_level=0, max_level=30):
    """Return cells that hold every point within a distance of a point.

    Parameters
    ----------
    lat, lng : float
        The center, in degrees.
    radius_m : float
        Metres along the sphere, 0 or more.
    max_cells : int, optional
        In [1, 2**22]. More are returned only if `min_level` needs them, or the region lies on several
        faces of the cube: at most 6 then.
    min_level, max_level : int, optional
        The levels of the cells, in [0, 30]. A `min_level` that needs more than 2**22 cells raises
        ValueError.

    Returns
    -------
    numpy.ndarray
        uint64, in order; no cell holds another.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> cells = s2.cover_cap(38.7223, -9.1393, 1000)
    >>> s2.level(cells).tolist()
    [15, 14, 13, 12, 14]
    """
    cdef fb_s2_limits_t limits = limits_of(max_cells, min_level, max_level)
    cdef double y, x, angle
    cdef fb_s2_found_t found = fb_s2_found_t(NULL, 0, 0)
    cdef fb_status_t status
    y, x, angle = coverings.cap(lat, lng, radius_m)
    with nogil:
        status = fb_s2_cover_cap(y, x, angle, limits, &found)
    return given(status, limits, &found)

def cover_rect(south, west, north, east, max_cells=8, min_level=0, max_level=30):
    """Return cells that hold every point between two parallels and two meridians.

    Parameters
    ----------
    south, west, north, east : float
        Degrees. If `east` is less than `west` the rectangle crosses the antimeridian; if it is 360 or
        more above, all longitudes are meant.
    max_cells, min_level, max_level : int, optional
        As for `cover_cap`.

    Returns
    -------
    numpy.ndarray
        uint64, in order; no cell holds another.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> [s2.cell_to_token(c) for c in s2.cover_rect(-10, 175, 10, -175, max_cells=4)]
    ['654', '6fc', '704', '7ac']
    """
    cdef fb_s2_limits_t limits = limits_of(max_cells, min_level, max_level)
    cdef double low, left, high, width
    cdef fb_s2_found_t found = fb_s2_found_t(NULL, 0, 0)
    cdef fb_status_t status
    low, left, high, width = coverings.rectangle(south, west, north, east)
    with nogil:
        status = fb_s2_cover_rect(low, left, high, width, limits, &found)
    return given(status, limits, &found)

def cover_polygon(outer, holes=(), max_cells=8, min_level=0, max_level=30):
    """Return cells that hold a polygon.

    The edges are arcs of great circles. A ring's inside is the smaller of the two parts of the sphere,
    so its direction does not matter, nor whether its last point repeats the first. It may cross the
    antimeridian and go around a pole, and touch itself but not cross.

    Parameters
    ----------
    outer : sequence of (lat, lng), (n, 2) array, or object with a __geo_interface__
        The outer ring in degrees; or a Polygon, MultiPolygon or Feature, with holes, whose points
        are ``(lng, lat)`` and whose rings are closed.
    holes : sequence of rings, optional
        What does not belong to the polygon.
    max_cells, min_level, max_level : int, optional
        As for `cover_cap`.

    Returns
    -------
    numpy.ndarray
        uint64, in order; no cell holds another.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> triangle = [(38.6, -9.3), (38.8, -9.3), (38.7, -9.0)]
    >>> len(s2.cover_polygon(triangle, max_cells=20))
    20
    """
    cdef fb_s2_limits_t limits = limits_of(max_cells, min_level, max_level)
    cdef fb_s2_found_t found = fb_s2_found_t(NULL, 0, 0)
    cdef fb_s2_rings_t rings
    cdef fb_status_t status
    cdef size_t bad[2]
    polygons = polygons_of(outer, holes)
    import numpy as np

    if not polygons:
        return np.empty(0, np.uint64)
    each = [ring.points for polygon in polygons for ring in polygon]
    lats, lngs = np.ascontiguousarray(np.concatenate(each).T)
    starts = np.cumsum([0, *map(len, each)], dtype=np.uintp)
    outers = np.array([k == 0 for polygon in polygons for k in range(len(polygon))])
    rings.lat = <const double *>data_of(lats)
    rings.lng = <const double *>data_of(lngs)
    rings.starts = <const size_t *>data_of(starts)
    rings.outer = data_of(outers)
    rings.rings = len(each)
    with nogil:
        status = fb_s2_cover_polygon(rings, limits, &found, bad)
    if status == FB_OUT_OF_RANGE:
        fb_s2_found_free(&found)
        if bad[1] == SIZE_MAX:
            raise errors.half_circle(edge_name(polygons, bad[0]))
        raise errors.crossing(*[edge_name(polygons, k) for k in bad[:2]])
    return given(status, limits, &found)
