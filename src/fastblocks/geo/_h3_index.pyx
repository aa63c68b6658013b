"""H3 cells as numbers: parents, children, compact sets; the public names are in geo.h3."""

from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_CheckExact
from libc.stdint cimport int64_t, uint8_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of
from fastblocks._core.columns cimport RELEASE_GIL_FROM, Batch, plain_id

cdef extern from "geo/h3_geometry.h" nogil:
    size_t fb_h3_first_invalid(const uint64_t *cells, size_t n)

cdef extern from "geo/h3_index.h" nogil:
    enum:
        FB_H3_TEXT
    int fb_h3_base_cell(uint64_t cell)
    bint fb_h3_is_pentagon(uint64_t cell)
    uint64_t fb_h3_parent(uint64_t cell, int res)
    uint64_t fb_h3_center_child(uint64_t cell, int res)
    uint64_t fb_h3_children_size(uint64_t cell, int res)
    size_t fb_h3_parents(const uint64_t *cells, size_t n, int res, uint64_t *parents)
    size_t fb_h3_center_children(const uint64_t *cells, size_t n, int res, uint64_t *children)
    size_t fb_h3_children_sizes(const uint64_t *cells, size_t n, int res, uint64_t *sizes)
    size_t fb_h3_children_offsets(const uint64_t *cells, size_t n, int res, int64_t *offsets)
    void fb_h3_children_of_all(const uint64_t *cells, size_t n, int res, uint64_t *children)
    void fb_h3_validities(const uint64_t *cells, size_t n, uint8_t *valid)
    void fb_h3_resolutions(const uint64_t *cells, size_t n, uint8_t *resolutions)
    void fb_h3_base_cells(const uint64_t *cells, size_t n, uint8_t *base_cells)
    void fb_h3_pentagon_cells(const uint64_t *cells, size_t n, uint8_t *pentagons)
    size_t fb_h3_parse(const char *texts, size_t width, size_t n, uint64_t *ids)
    void fb_h3_format(const uint64_t *ids, size_t n, char *texts)
    size_t fb_h3_first_other_res(const uint64_t *cells, size_t n)
    size_t fb_h3_compact(uint64_t *cells, size_t n, uint64_t *spare, size_t *repeated)

ctypedef size_t (*items_fn)(const uint64_t *, size_t, int, uint64_t *) noexcept nogil
ctypedef void (*flags_fn)(const uint64_t *, size_t, uint8_t *) noexcept nogil


# ---- arguments -----------------------------------------------------------------------------------

cdef Batch with_cells(Batch batch, str name, object cell):
    cdef Py_ssize_t column = len(batch.arrays)
    batch.ids(name, cell)
    array = batch.arrays[column]
    cdef size_t n = array.size, at
    cdef const uint64_t *cells = <const uint64_t *>data_of(array)
    if n < RELEASE_GIL_FROM:
        at = fb_h3_first_invalid(cells, n)
    else:
        with nogil:
            at = fb_h3_first_invalid(cells, n)
    if at < n:
        alone = Batch()
        alone.ids(name, array)
        alone.broadcast()
        raise alone.bad(0, at, "a valid H3 cell")
    return batch


cdef Batch cells_of(object cell, str name="cell"):
    cdef Batch batch = with_cells(Batch(), name, cell)
    batch.broadcast()
    return batch


cdef int resolution_or_next(object res) except -2:
    cdef int overflow
    cdef long value
    if res is None:
        return -1
    if PyLong_CheckExact(res):
        value = PyLong_AsLongAndOverflow(res, &overflow)
        if 0 <= value <= 15 and not overflow:
            return <int>value
    return check.integer("res", res, 0, 15)


cdef object ragged(Batch batch, object values, object offsets):
    return values if batch.shape == () else (values, offsets)


# ---- properties ----------------------------------------------------------------------------------

cdef object flags(Batch batch, object out, str dtype, flags_fn function):
    result = batch.result(out, dtype)
    cdef size_t n = batch.n
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef uint8_t *to = <uint8_t *>data_of(result)
    if n < RELEASE_GIL_FROM:
        function(cells, n, to)
    else:
        with nogil:
            function(cells, n, to)
    return batch.give(result, out)


def is_valid_cell(cell, *, out=None):
    """Tell whether ids are cells.

    Parameters
    ----------
    cell : int or array of ints
        Any 64 bits.
    out : numpy.ndarray of bool, optional
        Where to put the result.

    Returns
    -------
    bool or array of bool

    Raises
    ------
    ValueError
        If an id is not in ``[0, 2**64)``, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.is_valid_cell(0x891fb467423ffff), h3.is_valid_cell(5)
    (True, False)
    """
    cdef uint64_t one
    if out is None and plain_id(cell, &one):
        return fb_h3_is_valid(one)
    cdef Batch batch = Batch()
    batch.ids("cell", cell)
    return flags(batch, out, "bool", fb_h3_validities)


def get_resolution(cell, *, out=None):
    """Return the resolutions of cells, from 0 to 15.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : numpy.ndarray of uint8, optional
        Where to put the result.

    Returns
    -------
    int or array of uint8

    Raises
    ------
    ValueError
        If an id is not a cell, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.get_resolution(0x891fb467423ffff)
    9
    """
    cdef uint64_t one
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        return fb_h3_res(one)
    return flags(cells_of(cell), out, "uint8", fb_h3_resolutions)


def get_base_cell_number(cell, *, out=None):
    """Return the numbers, from 0 to 121, of the base cells that cells belong to.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : numpy.ndarray of uint8, optional
        Where to put the result.

    Returns
    -------
    int or array of uint8

    Raises
    ------
    ValueError
        If an id is not a cell, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.get_base_cell_number(0x891fb467423ffff)
    15
    """
    cdef uint64_t one
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        return fb_h3_base_cell(one)
    return flags(cells_of(cell), out, "uint8", fb_h3_base_cells)


def is_pentagon(cell, *, out=None):
    """Tell whether cells are pentagons, of which every resolution has twelve.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    out : numpy.ndarray of bool, optional
        Where to put the result.

    Returns
    -------
    bool or array of bool

    Raises
    ------
    ValueError
        If an id is not a cell, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.is_pentagon(0x8009fffffffffff), h3.is_pentagon(0x891fb467423ffff)
    (True, False)
    """
    cdef uint64_t one
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        return fb_h3_is_pentagon(one)
    return flags(cells_of(cell), out, "bool", fb_h3_pentagon_cells)


# ---- parents and children ------------------------------------------------------------------------

cdef object finer_than(int res):
    return f"a cell of resolution {res} or finer"


cdef object coarser_than(int res):
    return f"a cell of resolution {res} or coarser"


cdef object items(Batch batch, object out, int res, object what, items_fn function):
    result = batch.scratch(out, "uint64")
    cdef size_t n = batch.n, at
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef uint64_t *to = <uint64_t *>data_of(result)
    if n < RELEASE_GIL_FROM:
        at = function(cells, n, res, to)
    else:
        with nogil:
            at = function(cells, n, res, to)
    if at < n:
        raise batch.bad(0, at, what)
    return batch.give(result, out)


def cell_to_parent(cell, res=None, *, out=None):
    """Return the ancestors of cells at a resolution.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    res : int, optional
        A resolution from 0 to that of the cells. By default, the next coarser one of each.
    out : numpy.ndarray of uint64, optional
        Where to put the result.

    Returns
    -------
    int or array of uint64

    Raises
    ------
    ValueError
        If an id is not a cell or coarser than that, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> hex(h3.cell_to_parent(0x891fb467423ffff, 5))
    '0x851fb467fffffff'
    """
    cdef uint64_t one
    cdef int to = resolution_or_next(res), least = 1 if to < 0 else to, own
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        own = fb_h3_res(one)
        if own >= least:
            return fb_h3_parent(one, own - 1 if to < 0 else to)
    return items(cells_of(cell), out, to, finer_than(least), fb_h3_parents)


def cell_to_center_child(cell, res=None, *, out=None):
    """Return the descendants in the centres of cells, at a resolution.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    res : int, optional
        A resolution from that of the cells to 15. By default, the next finer one of each.
    out : numpy.ndarray of uint64, optional
        Where to put the result.

    Returns
    -------
    int or array of uint64

    Raises
    ------
    ValueError
        If an id is not a cell or finer than that, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> hex(h3.cell_to_center_child(0x891fb467423ffff))
    '0x8a1fb4674207fff'
    """
    cdef uint64_t one
    cdef int to = resolution_or_next(res), most = 14 if to < 0 else to, own
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        own = fb_h3_res(one)
        if own <= most:
            return fb_h3_center_child(one, own + 1 if to < 0 else to)
    return items(cells_of(cell), out, to, coarser_than(most), fb_h3_center_children)


def cell_to_children_size(cell, res=None, *, out=None):
    """Return how many descendants cells have at a resolution.

    Parameters
    ----------
    cell : int or array of ints
        Valid cells.
    res : int, optional
        A resolution from that of the cells to 15. By default, the next finer one of each.
    out : numpy.ndarray of uint64, optional
        Where to put the result.

    Returns
    -------
    int or array of uint64

    Raises
    ------
    ValueError
        If an id is not a cell or finer than that, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.cell_to_children_size(0x891fb467423ffff, 15)
    117649
    """
    cdef uint64_t one
    cdef int to = resolution_or_next(res), most = 14 if to < 0 else to, own
    if out is None and plain_id(cell, &one) and fb_h3_is_valid(one):
        own = fb_h3_res(one)
        if own <= most:
            return fb_h3_children_size(one, own + 1 if to < 0 else to)
    return items(cells_of(cell), out, to, coarser_than(most), fb_h3_children_sizes)


cdef tuple children_of(Batch batch, int res):
    """(children, offsets) of all cells of a batch."""
    import numpy as np

    cdef size_t n = batch.n, at
    offsets = np.empty(n + 1, np.int64)
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef int64_t *starts = <int64_t *>data_of(offsets)
    with nogil:
        at = fb_h3_children_offsets(cells, n, res, starts)
    if at < n:
        raise batch.bad(0, at, coarser_than(14 if res < 0 else res))
    values = np.empty(offsets[n], np.uint64)
    cdef uint64_t *children = <uint64_t *>data_of(values)
    with nogil:
        fb_h3_children_of_all(cells, n, res, children)
    return values, offsets


def cell_to_children(cell, res=None):
    """Return the descendants of cells at a resolution.

    Parameters
    ----------
    cell : int or array of ints, shape (n,)
        Valid cells.
    res : int, optional
        A resolution from that of the cells to 15. By default, the next finer one of each.

    Returns
    -------
    array of uint64
        The descendants of one cell, ascending.
    values, offsets : array of uint64, array of int64
        For an array of cells: those of cell i are ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    ValueError
        If an id is not a cell, or finer than that, or the array is not 1-D.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> [hex(cell) for cell in h3.cell_to_children(0x8009fffffffffff)]
    ['0x81083ffffffffff', '0x8108bffffffffff', '0x8108fffffffffff', '0x81093ffffffffff',
     '0x81097ffffffffff', '0x8109bffffffffff']
    """
    cdef int to = resolution_or_next(res)
    cdef Batch batch = cells_of(cell)
    if batch.shape != ():
        check.one_dimension("cell", batch.shape)
    values, offsets = children_of(batch, to)
    return ragged(batch, values, offsets)


# ---- compact sets --------------------------------------------------------------------------------

cdef Batch set_of(object cells):
    cdef Batch batch = cells_of(cells, "cells")
    check.one_dimension("cells", batch.shape)
    return batch


def compact_cells(cells):
    """Return the fewest cells that cover the same area: whole families become their parents.

    Parameters
    ----------
    cells : array of ints, shape (n,)
        Distinct cells of one resolution, in any order.

    Returns
    -------
    array of uint64
        Cells of this resolution and coarser ones, in the order of their descendants.

    Raises
    ------
    ValueError
        If an id is not a cell, a cell is there twice, resolutions differ, or the array is not 1-D.
    TypeError
        If `cells` are not integers.

    Notes
    -----
    O(n). Cells that are in order already need not be sorted, and take less time.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> family = h3.cell_to_children(0x891fb467423ffff, 11)
    >>> len(family), [hex(cell) for cell in h3.compact_cells(family)]
    (49, ['0x891fb467423ffff'])
    """
    import numpy as np

    cdef Batch batch = set_of(cells)
    cdef size_t n = batch.n, at, kept, repeated = 0
    cdef const uint64_t *given = <const uint64_t *>batch.data(0)
    at = fb_h3_first_other_res(given, n)
    if at < n:
        raise batch.bad(0, at, f"of resolution {fb_h3_res(given[0])} as cells[0] is")
    result = np.array(batch.arrays[0])
    spare = np.empty(n, np.uint64)
    cdef uint64_t *work = <uint64_t *>data_of(result)
    cdef uint64_t *other = <uint64_t *>data_of(spare)
    with nogil:
        kept = fb_h3_compact(work, n, other, &repeated)
    if kept > n:
        raise ValueError(f"cells must be distinct: {int(result[repeated])} is there twice")
    return result[:kept].copy() if kept < n else result


def uncompact_cells(cells, res):
    """Return all cells of one resolution that cover the same area.

    Parameters
    ----------
    cells : array of ints, shape (n,)
        Cells of any resolutions up to `res`.
    res : int
        The resolution of the result.

    Returns
    -------
    array of uint64
        The descendants of each cell, ascending, one cell after the other.

    Raises
    ------
    ValueError
        If an id is not a cell, or finer than `res`, or the array is not 1-D.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> len(h3.uncompact_cells([0x821fb7fffffffff, 0x8009fffffffffff], 3))
    293
    """
    cdef int to = check.integer("res", res, 0, 15)
    return children_of(set_of(cells), to)[0]


# ---- texts ---------------------------------------------------------------------------------------

def str_to_int(text, *, out=None):
    """Return the ids that texts spell: hexadecimal digits, with or without ``0x``.

    Parameters
    ----------
    text : str or array of str
        1 to 16 digits, of either case. Whether it is a cell is not asked; see `is_valid_cell`.
    out : numpy.ndarray of uint64, optional
        Where to put the result.

    Returns
    -------
    int or array of uint64

    Raises
    ------
    ValueError
        If a text is something else, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.str_to_int("891fb467423ffff")
    617550903941267455
    """
    cdef Batch batch = Batch()
    batch.texts("text", text)
    result = batch.scratch(out, "uint64")
    cdef size_t n = batch.n, at, width = batch.arrays[0].dtype.itemsize
    cdef const char *texts = <const char *>batch.data(0)
    cdef uint64_t *ids = <uint64_t *>data_of(result)
    with nogil:
        at = fb_h3_parse(texts, width, n, ids)
    if at < n:
        raise batch.bad(0, at, "1 to 16 hexadecimal digits")
    return batch.give(result, out)


def int_to_str(cell, *, out=None):
    """Return ids as texts: hexadecimal digits in lower case, without leading zeros.

    Parameters
    ----------
    cell : int or array of ints
        Any 64 bits.
    out : numpy.ndarray of S16, optional
        Where to put the result.

    Returns
    -------
    str or array of S16

    Raises
    ------
    ValueError
        If an id is not in ``[0, 2**64)``, or `out` does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> h3.int_to_str(617550903941267455)
    '891fb467423ffff'
    """
    cdef uint64_t one
    cdef char digits[FB_H3_TEXT]
    if out is None and plain_id(cell, &one):
        fb_h3_format(&one, 1, digits)
        return digits[:FB_H3_TEXT].rstrip(b"\0").decode()
    cdef Batch batch = Batch()
    batch.ids("cell", cell)
    result = batch.result(out, "S16")
    cdef size_t n = batch.n
    cdef const uint64_t *ids = <const uint64_t *>batch.data(0)
    cdef char *texts = <char *>data_of(result)
    with nogil:
        fb_h3_format(ids, n, texts)
    return batch.give(result, out)
