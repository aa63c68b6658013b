"""The H3 cells of a polygon; the public name is in geo.h3."""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from fastblocks._core import check, errors
from fastblocks._core.polygons import check_size, edge_name, polygons_of

from fastblocks._core.arrays cimport data_of
from fastblocks._core.status cimport FB_OUT_OF_RANGE, check_status, fb_status_t

cdef extern from "geo/crossing.h" nogil:
    fb_status_t fb_crossing_seek(
        const double *points, const size_t *ends, size_t rings, size_t *bad)

cdef extern from "geo/h3_polygon.h" nogil:
    ctypedef enum fb_h3_containment_t:
        FB_H3_CENTER
        FB_H3_FULL
        FB_H3_OVERLAP
        FB_H3_BBOX_OVERLAP
    fb_status_t fb_h3_polygon(
        const double *points, const size_t *ends, size_t rings, int res,
        fb_h3_containment_t containment, uint64_t **cells, size_t *n)

cdef dict CONTAINMENTS = {
    "center": FB_H3_CENTER,
    "full": FB_H3_FULL,
    "overlap": FB_H3_OVERLAP,
    "bbox_overlap": FB_H3_BBOX_OVERLAP,
}


cdef int refuse_crossings(list polygons, object points, object ends) except -1:
    cdef const double *p = <const double *>data_of(points)
    cdef const size_t *e = <const size_t *>data_of(ends)
    cdef size_t n_rings = len(ends)
    cdef size_t[2] bad
    cdef fb_status_t status
    with nogil:
        status = fb_crossing_seek(p, e, n_rings, bad)
    if status == FB_OUT_OF_RANGE:
        raise errors.crossing(edge_name(polygons, bad[0]), edge_name(polygons, bad[1]))
    check_status(status, "polygon_to_cells")
    return 0


cdef object fill(object points, object ends, int res, fb_h3_containment_t containment):
    """The cells of one polygon, with the points from the first on."""
    import numpy as np

    cdef const double *p = <const double *>data_of(points)
    cdef const size_t *e = <const size_t *>data_of(ends)
    cdef size_t n_rings = len(ends), n = 0
    cdef uint64_t *cells = NULL
    cdef fb_status_t status
    with nogil:
        status = fb_h3_polygon(p, e, n_rings, res, containment, &cells, &n)
    check_status(status, "polygon_to_cells")
    cdef uint64_t *out
    try:
        result = np.empty(n, np.uint64)
        out = <uint64_t *>data_of(result)
        if n > 0:
            with nogil:
                memcpy(out, cells, n * sizeof(uint64_t))
    finally:
        free(cells)
    return result


def polygon_to_cells(outer, res, holes=(), containment="center"):
    """Return the cells of a polygon on the plane of latitude and longitude.

    Edges are straight lines between degrees, not great circles. A ring with an edge of more than 180
    degrees of longitude crosses the antimeridian. So a ring around a pole has to go along the edge of
    the map: at 180 degrees to the pole, there in steps to -180 degrees, and back. Rings may touch
    themselves and each other, but not cross. Holes lie within the outer ring.

    Parameters
    ----------
    outer : array of shape (n, 2), or GeoJSON-like object
        The ring of (latitude, longitude) in degrees; the last point may repeat the first, or not. Or
        a Polygon, MultiPolygon or Feature of one, as a dict or as anything with
        ``__geo_interface__``, in its order of longitude, latitude, its rings closed.
    res : int
        The resolution, from 0 to 15; of more than about 2**30 cells nothing is begun.
    holes : sequence of arrays of shape (n, 2), default ()
        Rings that are left out. A GeoJSON-like object has its own.
    containment : {"center", "full", "overlap", "bbox_overlap"}, default "center"
        Take a cell if its centre, all of it, any part of it, or any part of the box of latitude and
        longitude around it and its descendants is in the polygon.

    Returns
    -------
    numpy.ndarray of uint64
        The cells, ascending, without repetition: those of the `h3` package. A centre on an edge counts
        as a little (2**-52 radians) to the west of it, one at the latitude of a point of a ring as a little
        to the north.

    Raises
    ------
    ValueError
        If a number is out of range, a ring has fewer than 3 distinct points, edges cross, a ring of
        a GeoJSON-like object is not closed, a shape or a type is another, or there would be too
        many cells.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> ring = [(48.80, 2.25), (48.80, 2.42), (48.91, 2.42), (48.91, 2.25)]
    >>> h3.polygon_to_cells(ring, 6)
    array([604040104318599167, 604040104855470079, 604040105123905535,
           604040109016219647], dtype=uint64)
    >>> [len(h3.polygon_to_cells(ring, 6, containment=mode)) for mode in ("full", "overlap")]
    [1, 11]
    """
    cdef int depth = check.integer("res", res, 0, 15)
    cdef fb_h3_containment_t mode = CONTAINMENTS[
        check.choice("containment", containment, CONTAINMENTS)]
    cdef list polygons = polygons_of(outer, holes)
    for polygon in polygons:
        check_size(polygon, depth)
    import numpy as np

    if not polygons:
        return np.empty(0, np.uint64)
    each = [ring.points for polygon in polygons for ring in polygon]
    points = each[0] if len(each) == 1 else np.concatenate(each)
    ends = np.cumsum([len(ring) for ring in each], dtype=np.uintp)
    refuse_crossings(polygons, points, ends)
    cdef list cells = []
    cdef Py_ssize_t first = 0, begin = 0, rings
    for polygon in polygons:
        rings = len(polygon)
        cells.append(fill(points[begin:], ends[first:first + rings] - begin, depth, mode))
        first += rings
        begin = ends[first - 1]
    return cells[0] if len(cells) == 1 else np.unique(np.concatenate(cells))
