"""S2 cells: ids of the squares of six nested grids on the sphere."""

from libc.stdint cimport int8_t, int64_t, uint64_t

from fastblocks._core import check
from fastblocks._core.sphere import AREA_UNITS

from fastblocks._core.arrays cimport data_of
from fastblocks._core.columns cimport Batch, RELEASE_GIL_FROM, is_latlng, plain_double, plain_id

cdef extern from "geo/s2.h" nogil:
    bint fb_s2_is_valid(uint64_t cell)
    int fb_s2_level(uint64_t cell)
    uint64_t fb_s2_ancestor(uint64_t cell, int level)
    bint fb_s2_contains(uint64_t a, uint64_t b)
    uint64_t fb_s2_cell(double lat, double lng, int level)
    void fb_s2_cells(const double *lat, const double *lng, size_t n, int level, uint64_t *cells)
    size_t fb_s2_first_bad(const uint64_t *cells, size_t n, int low, int high)
    void fb_s2_center(uint64_t cell, double *lat, double *lng)
    void fb_s2_centers(const uint64_t *cells, size_t n, double *lat, double *lng)
    size_t fb_s2_token(uint64_t cell, char *token)
    void fb_s2_tokens(const uint64_t *cells, size_t n, char *tokens)
    size_t fb_s2_of_tokens(const char *tokens, size_t width, size_t n, uint64_t *cells)
    void fb_s2_levels(const uint64_t *cells, size_t n, int8_t *levels)
    void fb_s2_parents(const uint64_t *cells, size_t n, int level, uint64_t *parents)
    void fb_s2_children_offsets(const uint64_t *cells, size_t n, int level, int64_t *offsets)
    void fb_s2_children(const uint64_t *cells, size_t n, int level, uint64_t *children)
    void fb_s2_edge_neighbors(const uint64_t *cells, size_t n, uint64_t *neighbors)
    void fb_s2_all_neighbors(
        const uint64_t *cells, size_t n, uint64_t *neighbors, int64_t *offsets)
    void fb_s2_boundaries(const uint64_t *cells, size_t n, double *points)
    double fb_s2_area(uint64_t cell)
    void fb_s2_areas(const uint64_t *cells, size_t n, double scale, double *areas)
    size_t fb_s2_normalize(uint64_t *cells, size_t n)

cdef extern from *:
    """
    #include "geo/s2.h"
    #define FB_S2_MAX FB_S2_MAX_LEVEL
    """
    enum: FB_S2_MAX

cdef extern from "geo/s2.h" nogil:
    # C's bool, a byte, is what NumPy's is
    void fb_s2_valid_bytes "fb_s2_are_valid"(const uint64_t *cells, size_t n, void *valid)
    void fb_s2_contain(const uint64_t *a, const uint64_t *b, size_t n, void *found)
    void fb_s2_intersect(const uint64_t *a, const uint64_t *b, size_t n, void *found)



cdef str what(int low, int high):
    if low:
        return f"a valid S2 cell of level {low} or more"
    if high < FB_S2_MAX:
        return f"a valid S2 cell of level {high} or less"
    return "a valid S2 cell"


cdef int read_cells(
    Batch batch, str name, object cells, int low=0, int high=FB_S2_MAX
) except -1:
    """Add a column of cells whose levels are in [low, high], or raise."""
    cdef Batch alone
    cdef const uint64_t *data
    cdef size_t n, at
    batch.ids(name, cells)
    array = batch.arrays[len(batch.arrays) - 1]
    data = <const uint64_t *>data_of(array)
    n = array.size
    with nogil:
        at = fb_s2_first_bad(data, n, low, high)
    if at < n:
        alone = Batch()
        alone.ids(name, cells)
        alone.broadcast()
        raise alone.bad(0, at, what(low, high))
    return 0


cdef Batch cells_batch(object cells, int low=0, int high=FB_S2_MAX):
    cdef Batch batch = Batch()
    read_cells(batch, "cell", cells, low, high)
    batch.broadcast()
    return batch


cdef bint one_cell(object x, uint64_t *cell) noexcept:
    """Whether x is an int that is a valid cell: the quick way."""
    return plain_id(x, cell) and fb_s2_is_valid(cell[0])


def latlng_to_cell(lat, lng, level=30, *, out=None):
    """Return the cell of a level that holds a point.

    Parameters
    ----------
    lat : float or array of floats
        Degrees, in [-90, 90].
    lng : float or array of floats
        Degrees, finite; wrapped to [-180, 180].
    level : int, optional
        In [0, 30]; 0 is a face of the cube, 30 a leaf, about a centimetre wide.
    out : numpy.ndarray, optional
        Where the cells of arrays are written: uint64, of the broadcast shape.

    Returns
    -------
    int or array of uint64
        The same ids as the S2 library's.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> s2.latlng_to_cell(38.7223, -9.1393, 12)
    943842290479136768
    >>> s2.cell_to_token(s2.latlng_to_cell([38.7223, -33.8688], [-9.1393, 151.2093], 12))
    array([b'0d19339', b'6b12ae3'], dtype='|S16')
    """
    cdef double y, x
    cdef int deep
    if type(level) is int and 0 <= level <= FB_S2_MAX:
        deep = level
    else:
        deep = check.integer("level", level, 0, FB_S2_MAX)
    if out is None and plain_double(lat, &y) and plain_double(lng, &x) and is_latlng(y, x):
        return fb_s2_cell(y, x, deep)
    cdef Batch batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    result = batch.result(out, "uint64")
    cdef const double *ys = <const double *>batch.data(0)
    cdef const double *xs = <const double *>batch.data(1)
    cdef uint64_t *cells = <uint64_t *>data_of(result)
    cdef size_t n = batch.n
    if n < RELEASE_GIL_FROM:
        fb_s2_cells(ys, xs, n, deep, cells)
    else:
        with nogil:
            fb_s2_cells(ys, xs, n, deep, cells)
    return batch.give(result, out)


def cell_to_latlng(cell, *, out=None):
    """Return latitude and longitude of the middle of a cell.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : tuple of two numpy.ndarray, optional
        Where the degrees of arrays are written: float64.

    Returns
    -------
    lat, lng : float or array of floats
        Degrees.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> lat, lng = s2.cell_to_latlng(s2.latlng_to_cell(38.7223, -9.1393))
    >>> round(lat, 6), round(lng, 6)
    (38.7223, -9.1393)
    """
    cdef uint64_t one
    cdef double y, x
    if out is None and one_cell(cell, &one):
        fb_s2_center(one, &y, &x)
        return y, x
    cdef Batch batch = cells_batch(cell)
    out_lat, out_lng = (None, None) if out is None else out
    lats = batch.scratch(out_lat, "float64")
    lngs = batch.scratch(out_lng, "float64")
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef double *ys = <double *>data_of(lats)
    cdef double *xs = <double *>data_of(lngs)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_centers(cells, n, ys, xs)
    return batch.give(lats, out_lat), batch.give(lngs, out_lng)


def cell_to_token(cell):
    """Return the token of a cell: its id in hexadecimal digits without the zeros at the end.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.

    Returns
    -------
    str or array of S16
        Tokens sort as their cells do.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> s2.cell_to_token(943842290479136768)
    '0d19339'
    """
    cdef uint64_t one
    cdef char token[16]
    cdef size_t length
    if one_cell(cell, &one):
        length = fb_s2_token(one, token)
        return token[:length].decode("ascii")
    cdef Batch batch = cells_batch(cell)
    result = batch.scratch(None, "S16")
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef char *tokens = <char *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_tokens(cells, n, tokens)
    return batch.give(result, None)


def token_to_cell(token, *, out=None):
    """Return the cell of a token.

    Parameters
    ----------
    token : str or array of str
        1 to 16 hexadecimal digits, in small letters or capitals.
    out : numpy.ndarray, optional
        Where the cells of arrays are written: uint64.

    Returns
    -------
    int or array of uint64
        Cells.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> s2.token_to_cell("0d19339")
    943842290479136768
    """
    cdef Batch batch = Batch()
    batch.texts("token", token)
    result = batch.scratch(out, "uint64")
    array = batch.arrays[0]
    cdef const char *tokens = <const char *>batch.data(0)
    cdef uint64_t *cells = <uint64_t *>data_of(result)
    cdef size_t n = batch.n, width = array.dtype.itemsize, at
    with nogil:
        at = fb_s2_of_tokens(tokens, width, n, cells)
    if at < n:
        raise batch.bad(0, at, "the token of an S2 cell")
    return batch.give(result, out)


def level(cell, *, out=None):
    """Return the level of a cell, 0 to 30.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : numpy.ndarray, optional
        Where the levels of arrays are written: int8.

    Returns
    -------
    int or array of int8
        Levels.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> s2.level(s2.token_to_cell("0d19339"))
    12
    """
    cdef uint64_t one
    if out is None and one_cell(cell, &one):
        return fb_s2_level(one)
    cdef Batch batch = cells_batch(cell)
    result = batch.scratch(out, "int8")
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef int8_t *levels = <int8_t *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_levels(cells, n, levels)
    return batch.give(result, out)


def parent(cell, level=None, *, out=None):
    """Return the cell of a level that holds a cell.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells, of this level or deeper.
    level : int, optional
        In [0, 30]; by default the level above the cell's own.
    out : numpy.ndarray, optional
        Where the cells of arrays are written: uint64.

    Returns
    -------
    int or array of uint64
        Cells.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> leaf = s2.latlng_to_cell(38.7223, -9.1393)
    >>> s2.cell_to_token(s2.parent(leaf, 12))
    '0d19339'
    """
    cdef int to = -1 if level is None else check.integer("level", level, 0, FB_S2_MAX)
    cdef int low = 1 if to < 0 else to, own
    cdef uint64_t one
    if out is None and one_cell(cell, &one):
        own = fb_s2_level(one)
        if own >= low:
            return fb_s2_ancestor(one, own - 1 if to < 0 else to)
    cdef Batch batch = cells_batch(cell, low)
    result = batch.result(out, "uint64")
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef uint64_t *parents = <uint64_t *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_parents(cells, n, to, parents)
    return batch.give(result, out)


def children(cell, level=None):
    """Return the cells of a level that a cell holds.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells, of this level or above it.
    level : int, optional
        In [0, 30]; by default the level below the cell's own.

    Returns
    -------
    list of int, or tuple of arrays
        For one cell its children in order; for many ``(values, offsets)``: those of cell i are
        ``values[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> [s2.cell_to_token(c) for c in s2.children(s2.token_to_cell("0d19339"))]
    ['0d193384', '0d19338c', '0d193394', '0d19339c']
    """
    cdef int to = -1 if level is None else check.integer("level", level, 0, FB_S2_MAX)
    cdef Batch batch = cells_batch(cell, 0, FB_S2_MAX - 1 if to < 0 else to)
    import numpy as np

    if batch.shape != ():
        check.one_dimension("cell", batch.shape)
    offsets = np.empty(batch.n + 1, np.int64)
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef int64_t *ends = <int64_t *>data_of(offsets)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_children_offsets(cells, n, to, ends)
    values = np.empty(offsets[batch.n], np.uint64)
    cdef uint64_t *data = <uint64_t *>data_of(values)
    with nogil:
        fb_s2_children(cells, n, to, data)
    return values.tolist() if batch.shape == () else (values, offsets)


def edge_neighbors(cell, *, out=None):
    """Return the four cells of the same level beyond the sides of a cell.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : numpy.ndarray, optional
        Where the neighbors are written: uint64, of the shape of the cells and 4.

    Returns
    -------
    list of int, or array of uint64
        Beyond the lower, right, upper and left side; for arrays of shape ``(..., 4)``.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> [s2.cell_to_token(c) for c in s2.edge_neighbors(s2.token_to_cell("0d19339"))]
    ['0d19347', '0d1933f', '0d1933b', '0d19337']
    """
    cdef Batch batch = cells_batch(cell)
    result = batch.scratch(out, "uint64", (4,))
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef uint64_t *neighbors = <uint64_t *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_edge_neighbors(cells, n, neighbors)
    return result.tolist() if batch.shape == () and out is None else batch.give(result, out)


def all_neighbors(cell):
    """Return the cells of the same level that share a side or a vertex with a cell.

    There are 8; 7 at a corner of the cube, where three cells meet, and 4 of a face.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.

    Returns
    -------
    list of int, or tuple of arrays
        For one cell its neighbors, row by row from below; for many ``(values, offsets)``: those of
        cell i are ``values[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> len(s2.all_neighbors(s2.token_to_cell("0d19339"))), len(s2.all_neighbors(1))
    (8, 7)
    """
    cdef Batch batch = cells_batch(cell)
    import numpy as np

    if batch.shape != ():
        check.one_dimension("cell", batch.shape)
    values, offsets = np.empty(8 * batch.n, np.uint64), np.empty(batch.n + 1, np.int64)
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef uint64_t *neighbors = <uint64_t *>data_of(values)
    cdef int64_t *ends = <int64_t *>data_of(offsets)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_all_neighbors(cells, n, neighbors, ends)
    values = values[:offsets[batch.n]]
    return values.tolist() if batch.shape == () else (values, offsets)


def boundary(cell, *, out=None):
    """Return latitude and longitude of the four vertices of a cell.

    The sides are arcs of great circles.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : numpy.ndarray, optional
        Where the degrees are written: float64, of the shape of the cells and (4, 2).

    Returns
    -------
    list of tuple, or array of floats
        ``(lat, lng)`` of each vertex, counter-clockwise; for arrays of shape ``(..., 4, 2)``.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> [(round(lat, 2), round(lng, 2)) for lat, lng in s2.boundary(s2.token_to_cell("0d19339"))]
    [(38.71, -9.15), (38.71, -9.12), (38.74, -9.12), (38.73, -9.15)]
    """
    cdef Batch batch = cells_batch(cell)
    result = batch.scratch(out, "float64", (4, 2))
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef double *points = <double *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_boundaries(cells, n, points)
    if batch.shape == () and out is None:
        return [tuple(point) for point in result.tolist()]
    return batch.give(result, out)


def cell_area(cell, unit="km^2", *, out=None):
    """Return the area of a cell on a sphere of radius 6371008.8 m.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    unit : {"km^2", "m^2", "rads^2"}, optional
        As in h3; ``"rads^2"`` is the area on a sphere of radius 1.
    out : numpy.ndarray, optional
        Where the areas of arrays are written: float64.

    Returns
    -------
    float or array of floats
        Areas; the relative error is below 1e-11.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> round(s2.cell_area(s2.token_to_cell("0d19339")), 3)
    4.437
    """
    cdef double scale = AREA_UNITS[check.choice("unit", unit, AREA_UNITS)]
    cdef uint64_t one
    if out is None and one_cell(cell, &one):
        return fb_s2_area(one) * scale
    cdef Batch batch = cells_batch(cell)
    result = batch.scratch(out, "float64")
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef double *areas = <double *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_areas(cells, n, scale, areas)
    return batch.give(result, out)


def is_valid(cell, *, out=None):
    """Tell whether a number is the id of a cell.

    Parameters
    ----------
    cell : int or array of ints
        Numbers in [0, 2**64).
    out : numpy.ndarray, optional
        Where the answers for arrays are written: bool.

    Returns
    -------
    bool or array of bool
        Answers.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> s2.is_valid(1), s2.is_valid(2)
    (True, False)
    """
    cdef uint64_t one
    if out is None and plain_id(cell, &one):
        return fb_s2_is_valid(one)
    cdef Batch batch = Batch()
    batch.ids("cell", cell)
    result = batch.scratch(out, "bool")
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef void *valid = data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_s2_valid_bytes(cells, n, valid)
    return batch.give(result, out)


def contains(a, b, *, out=None):
    """Tell whether cell a is cell b or holds it.

    Parameters
    ----------
    a, b : int or array of ints
        Valid cells.
    out : numpy.ndarray, optional
        Where the answers for arrays are written: bool, of the broadcast shape.

    Returns
    -------
    bool or array of bool
        Answers.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> leaf = s2.latlng_to_cell(38.7223, -9.1393)
    >>> s2.contains(s2.parent(leaf, 5), leaf), s2.contains(leaf, s2.parent(leaf, 5))
    (True, False)
    """
    return two_cells(a, b, False, out)


def intersects(a, b, *, out=None):
    """Tell whether one of two cells is the other or holds it.

    Parameters
    ----------
    a, b : int or array of ints
        Valid cells.
    out : numpy.ndarray, optional
        Where the answers for arrays are written: bool, of the broadcast shape.

    Returns
    -------
    bool or array of bool
        Answers.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> leaf = s2.latlng_to_cell(38.7223, -9.1393)
    >>> s2.intersects(leaf, s2.parent(leaf, 5))
    True
    """
    return two_cells(a, b, True, out)


cdef object two_cells(object a, object b, bint either, object out):
    cdef uint64_t x, y
    if out is None and one_cell(a, &x) and one_cell(b, &y):
        return bool(fb_s2_contains(x, y) or (either and fb_s2_contains(y, x)))
    cdef Batch batch = Batch()
    read_cells(batch, "a", a)
    read_cells(batch, "b", b)
    result = batch.scratch(out, "bool")
    cdef const uint64_t *xs = <const uint64_t *>batch.data(0)
    cdef const uint64_t *ys = <const uint64_t *>batch.data(1)
    cdef void *found = data_of(result)
    cdef size_t n = batch.n
    with nogil:
        if either:
            fb_s2_intersect(xs, ys, n, found)
        else:
            fb_s2_contain(xs, ys, n, found)
    return batch.give(result, out)


def normalize(cells):
    """Return the fewest cells that cover what some cells cover, in order.

    Duplicates and cells within others go, four children become their parent.

    Parameters
    ----------
    cells : array of ints
        Valid cells, in any order.

    Returns
    -------
    numpy.ndarray
        uint64, 1-D.

    Examples
    --------
    >>> from fastblocks.geo import s2
    >>> cell = s2.token_to_cell("0d19339")
    >>> s2.normalize(s2.children(cell)).tolist() == [cell]
    True
    """
    cdef Batch batch = Batch()
    read_cells(batch, "cells", cells)
    batch.broadcast()
    check.one_dimension("cells", batch.shape)
    result = batch.arrays[0].copy()
    cdef uint64_t *data = <uint64_t *>data_of(result)
    cdef size_t n = batch.n, kept
    with nogil:
        kept = fb_s2_normalize(data, n)
    return result[:kept].copy()


# ---- for compiled code ---------------------------------------------------------------------------


cdef uint64_t cell_of(double lat, double lng, int level) noexcept nogil:
    return fb_s2_cell(lat, lng, level)
