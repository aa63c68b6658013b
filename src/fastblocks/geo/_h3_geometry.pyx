"""H3 geometry: cells of points, centres, boundaries and areas; the public names are in geo.h3."""

from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_CheckExact
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int64_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of
from fastblocks._core.columns cimport RELEASE_GIL_FROM, Batch, is_latlng, plain_double, plain_id

cdef extern from "geo/h3_geometry.h" nogil:
    bint fb_h3_is_valid(uint64_t cell)
    size_t fb_h3_first_invalid(const uint64_t *cells, size_t n)
    uint64_t fb_h3_cell_at(double lat, double lng, int res)
    void fb_h3_cells_at(const double *lats, const double *lngs, size_t n, int res, uint64_t *cells)
    void fb_h3_centers(const uint64_t *cells, size_t n, double *lats, double *lngs)
    size_t fb_h3_boundary(uint64_t cell, double *corners)
    void fb_h3_boundary_offsets(const uint64_t *cells, size_t n, int64_t *offsets)
    void fb_h3_boundaries(
        const uint64_t *cells, size_t n, const int64_t *offsets, double *corners)
    void fb_h3_areas(const uint64_t *cells, size_t n, double factor, double *areas)

cdef double EARTH_RADIUS_KM = 6371.007180918475
cdef double KM2 = EARTH_RADIUS_KM * EARTH_RADIUS_KM
cdef str KM2_NAME = "km^2"
cdef dict UNITS = {
    KM2_NAME: KM2,
    "m^2": KM2 * 1e6,
    "rads^2": 1.0,
}


cdef int resolution(object res) except -1:
    cdef int overflow
    cdef long value
    if PyLong_CheckExact(res):
        value = PyLong_AsLongAndOverflow(res, &overflow)
        if 0 <= value <= 15 and not overflow:
            return <int>value
    return check.integer("res", res, 0, 15)


def latlng_to_cell(lat, lng, res, *, out=None):
    """Return the cells that hold points.

    Parameters
    ----------
    lat, lng : float or array of floats
        Degrees. Latitudes in [-90, 90]; longitudes past 180 degrees go on around the Earth.
    res : int
        The resolution, from 0 (base cells) to 15 (about 1 square metre).
    out : numpy.ndarray of uint64, optional
        Where to put the result.

    Returns
    -------
    int or array of uint64
        As the `h3` package's ``latlng_to_cell``, bit for bit.

    Raises
    ------
    ValueError
        If a number is out of range, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> hex(h3.latlng_to_cell(48.8584, 2.2945, 9))
    '0x891fb46741bffff'
    >>> h3.latlng_to_cell([48.8584, 40.6892], [2.2945, -74.0445], 9)
    array([617550903940743167, 617733151067471871], dtype=uint64)
    """
    cdef double y, x
    cdef int depth = resolution(res)
    if out is None and plain_double(lat, &y) and plain_double(lng, &x) and is_latlng(y, x):
        return fb_h3_cell_at(y, x, depth)
    cdef Batch batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    result = batch.result(out, "uint64")
    cdef size_t n = batch.n
    cdef const double *lats = <const double *>batch.data(0)
    cdef const double *lngs = <const double *>batch.data(1)
    cdef uint64_t *cells = <uint64_t *>data_of(result)
    if n < RELEASE_GIL_FROM:
        fb_h3_cells_at(lats, lngs, n, depth, cells)
    else:
        with nogil:
            fb_h3_cells_at(lats, lngs, n, depth, cells)
    return batch.give(result, out)


cdef Batch cells_of(object cell):
    """A column of cells, all of them valid."""
    cdef Batch batch = Batch()
    batch.ids("cell", cell)
    batch.broadcast()
    cdef size_t n = batch.n, at
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    if n < RELEASE_GIL_FROM:
        at = fb_h3_first_invalid(cells, n)
    else:
        with nogil:
            at = fb_h3_first_invalid(cells, n)
    if at < n:
        raise batch.bad(0, at, "a valid H3 cell")
    return batch


def cell_to_latlng(cell, *, out=None):
    """Return the centres of cells.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : tuple of two numpy.ndarray of float64, optional
        Where to put latitudes and longitudes.

    Returns
    -------
    lat, lng : float or array of float64
        Degrees, those of the `h3` package to the accuracy of its own formulas.

    Raises
    ------
    ValueError
        If an id is not a cell, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> lat, lng = h3.cell_to_latlng(0x891fb46741bffff)
    >>> round(lat, 6), round(lng, 6)
    (48.857353, 2.294139)
    """
    cdef uint64_t one
    cdef double y, x
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        fb_h3_centers(&one, 1, &y, &x)
        return y, x
    cdef Batch batch = cells_of(cell)
    out_lat, out_lng = check.out_pair(out)
    lat = batch.result(out_lat, "float64")
    lng = batch.result(out_lng, "float64")
    cdef size_t n = batch.n
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef double *lats = <double *>data_of(lat)
    cdef double *lngs = <double *>data_of(lng)
    if n < RELEASE_GIL_FROM:
        fb_h3_centers(cells, n, lats, lngs)
    else:
        with nogil:
            fb_h3_centers(cells, n, lats, lngs)
    return batch.give(lat, out_lat), batch.give(lng, out_lng)


cdef tuple boundary_of(uint64_t cell):
    """The corners of a cell as a tuple, made without a list on the way."""
    cdef double[20] few
    cdef Py_ssize_t k, n = <Py_ssize_t>fb_h3_boundary(cell, few)
    cdef tuple corners = PyTuple_New(n)
    for k in range(n):
        corner = (few[2 * k], few[2 * k + 1])
        Py_INCREF(corner)
        PyTuple_SET_ITEM(corners, k, corner)
    return corners


def cell_to_boundary(cell):
    """Return the corners of cells, counter-clockwise.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells; an array of one dimension.

    Returns
    -------
    tuple of (lat, lng) or (values, offsets)
        Degrees. Of an array, row ``values[k]`` of a float64 array of two columns for each `k` in
        ``range(offsets[i], offsets[i + 1])`` belongs to cell `i`. A cell has 6 corners, a pentagon 5;
        where an edge crosses an edge of the icosahedron there is one more.

    Raises
    ------
    ValueError
        If an id is not a cell, or the array has more dimensions.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> len(h3.cell_to_boundary(0x891fb46741bffff))
    6
    >>> values, offsets = h3.cell_to_boundary([0x891fb46741bffff, 0x8009fffffffffff])
    >>> values.shape, offsets
    ((11, 2), array([ 0,  6, 11]))
    """
    cdef uint64_t one
    cdef size_t n
    if plain_id(cell, &one) and fb_h3_is_valid(one):
        return boundary_of(one)
    cdef Batch batch = cells_of(cell)
    if len(batch.shape) == 0:
        return cell_to_boundary(int(batch.arrays[0]))
    check.one_dimension("cell", batch.shape)
    import numpy as np

    n = batch.n
    offsets = np.empty(n + 1, np.int64)
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef int64_t *starts = <int64_t *>data_of(offsets)
    with nogil:
        fb_h3_boundary_offsets(cells, n, starts)
    values = np.empty((starts[n], 2), np.float64)
    cdef double *corners = <double *>data_of(values)
    with nogil:
        fb_h3_boundaries(cells, n, starts, corners)
    return values, offsets


def cell_area(cell, unit="km^2", *, out=None):
    """Return the areas of cells.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    unit : {"km^2", "m^2", "rads^2"}, default "km^2"
        Square kilometres or metres on a sphere of radius 6371.007180918475 km, or steradians.
    out : numpy.ndarray of float64, optional
        Where to put the result.

    Returns
    -------
    float or array of float64
        The area within the great circles between the corners.

    Raises
    ------
    ValueError
        If an id is not a cell, the unit is another, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> round(h3.cell_area(0x891fb46741bffff), 4)
    0.094
    """
    cdef uint64_t one
    cdef double area, factor
    factor = KM2 if unit is KM2_NAME else UNITS[check.choice("unit", unit, UNITS)]
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        fb_h3_areas(&one, 1, factor, &area)
        return area
    cdef Batch batch = cells_of(cell)
    result = batch.result(out, "float64")
    cdef size_t n = batch.n
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef double *areas = <double *>data_of(result)
    if n < RELEASE_GIL_FROM:
        fb_h3_areas(cells, n, factor, areas)
    else:
        with nogil:
            fb_h3_areas(cells, n, factor, areas)
    return batch.give(result, out)


# ---- for compiled code ---------------------------------------------------------------------------


cdef uint64_t cell_of(double lat, double lng, int res) noexcept nogil:
    return fb_h3_cell_at(lat, lng, res)
