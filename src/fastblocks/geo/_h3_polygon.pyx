"""Cells of polygons; the public name is in geo.h3."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from fastblocks._core import check, polygons

from fastblocks._core.arrays cimport data_of
from fastblocks._core.status cimport check_status, fb_status_t

cdef extern from "geo/h3_polygon.h" nogil:
    ctypedef enum fb_h3_containment_t:
        pass
    size_t FB_H3_RING_ROOM(size_t n)
    size_t fb_h3_ring(const double *lats, const double *lngs, size_t n, double *out)
    fb_status_t fb_h3_fill(
        const double *corners, const size_t *starts, size_t n_rings, int res,
        fb_h3_containment_t mode, uint64_t **cells, size_t *n)


cdef object fill(list rings, int res, int mode):
    """The cells of one polygon."""
    import numpy as np

    cdef Py_ssize_t room = 0
    for lats, _ in rings:
        room += FB_H3_RING_ROOM(lats.size)
    corners = np.empty(2 * room)
    starts = np.zeros(len(rings) + 1, np.uintp)
    cdef double *to = <double *>data_of(corners)
    cdef size_t *bounds = <size_t *>data_of(starts)
    cdef size_t n, n_rings = 0, n_cells = 0
    cdef uint64_t *cells = NULL
    cdef fb_status_t status
    for lats, lngs in rings:
        n = fb_h3_ring(<const double *>data_of(lats), <const double *>data_of(lngs), lats.size,
                       to + 2 * bounds[n_rings])
        if n >= 3:
            bounds[n_rings + 1] = bounds[n_rings] + n
            n_rings += 1
        elif n_rings == 0:
            return np.empty(0, np.uint64)
    with nogil:
        status = fb_h3_fill(to, bounds, n_rings, res, <fb_h3_containment_t>mode, &cells, &n_cells)
    check_status(status, "polygon_to_cells")
    try:
        result = np.empty(n_cells, np.uint64)
        if n_cells > 0:
            memcpy(data_of(result), cells, n_cells * sizeof(uint64_t))
    finally:
        free(cells)
    return result


def polygon_to_cells(outer, res, holes=(), containment="center"):
    """Return the cells of a polygon.

    Parameters
    ----------
    outer : array of floats, shape (n, 2), or geometry
        The corners of the outer ring as rows of latitude and longitude, in either direction, the
        first repeated at the end or not. Or a Polygon or MultiPolygon with ``__geo_interface__``
        (shapely, geopandas, a GeoJSON dict), whose rows are longitude and latitude.
    res : int
        The resolution of the cells, from 0 to 15.
    holes : sequence of arrays of floats, shape (n, 2)
        Rings that are not part of it; a geometry has its own.
    containment : {"center", "full", "overlap", "bbox_overlap"}
        Which cells belong: those whose centre is inside, which makes polygons side by side share no
        cell; those that are all inside; those of which some is inside; those whose box of
        latitudes and longitudes has some inside.

    Returns
    -------
    array of uint64
        Ascending, each cell once.

    Raises
    ------
    ValueError
        If a ring has fewer than 3 corners or is no ring, a coordinate is out of range, or
        `res` or `containment` is not one of those.
    TypeError
        If an argument is of another type.

    Notes
    -----
    Edges are straight lines on a map with latitude and longitude as axes, as in the `h3` package.
    They go the short way round: less than 180 degrees of longitude, so that a ring may cross the
    antimeridian.
    A ring around the Earth is completed by the pole that its corners are nearer to on average;
    cells on the meridian where it begins then count as overlapping, not as full.
    What is inside an odd number of times is inside, where a ring crosses itself.

    A centre within rounding (1e-12 degrees) of an edge may fall to either side.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> city = [(48.90, 2.26), (48.90, 2.41), (48.82, 2.41), (48.82, 2.26)]
    >>> len(h3.polygon_to_cells(city, 9)), len(h3.polygon_to_cells(city, 9, containment="overlap"))
    (1039, 1119)
    """
    cdef int depth = check.integer("res", res, 0, 15)
    cdef int mode = polygons.MODES.index(check.choice("containment", containment, polygons.MODES))
    parts = [fill(rings, depth, mode) for rings in polygons.polygons_of(outer, holes)]
    if len(parts) == 1:
        return parts[0]
    import numpy as np

    return np.unique(np.concatenate([np.empty(0, np.uint64), *parts]))
