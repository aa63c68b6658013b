"""The grid of H3 cells: neighbours, disks, rings, distances; the public names are in geo.h3."""

from libc.stdint cimport int64_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of
from fastblocks._core.columns cimport RELEASE_GIL_FROM, Batch, plain_id
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.geo._h3_index cimport fb_h3_is_valid, fb_h3_res, ragged, with_cells

cdef extern from "geo/h3_grid.h" nogil:
    enum:
        FB_H3_MAX_RADIUS
    ctypedef struct fb_h3_disk_t:
        pass
    bint fb_h3_are_neighbors(uint64_t a, uint64_t b)
    int64_t fb_h3_distance(uint64_t a, uint64_t b)
    fb_h3_disk_t *fb_h3_disk_new(int64_t k, bint ring)
    void fb_h3_disk_free(fb_h3_disk_t *disk)
    uint64_t fb_h3_disk_room(const fb_h3_disk_t *disk, uint64_t cell)
    fb_status_t fb_h3_disks(
        fb_h3_disk_t *disk, const uint64_t *cells, size_t n, uint64_t *out, int64_t *offsets)


cdef uint64_t MOST = 1 << 59  # cells: 2**62 bytes


cdef object disks(object cell, object k, bint ring):
    import numpy as np

    cdef int64_t radius = check.integer("k", k, 0, FB_H3_MAX_RADIUS)
    cdef Batch batch = with_cells(Batch(), "cell", cell)
    batch.broadcast()
    if batch.shape != ():
        check.one_dimension("cell", batch.shape)
    cdef size_t n = batch.n, i
    cdef uint64_t room = 0
    cdef fb_status_t status
    cdef const uint64_t *cells = <const uint64_t *>batch.data(0)
    cdef fb_h3_disk_t *disk = fb_h3_disk_new(radius, ring)
    if disk == NULL:
        raise MemoryError
    cdef uint64_t *to
    cdef int64_t *starts
    try:
        for i in range(n):
            room += fb_h3_disk_room(disk, cells[i])
            if room > MOST:
                raise MemoryError("not enough memory for so many disks")
        values = np.empty(room, np.uint64)
        offsets = np.empty(n + 1, np.int64)
        to = <uint64_t *>data_of(values)
        starts = <int64_t *>data_of(offsets)
        with nogil:
            status = fb_h3_disks(disk, cells, n, to, starts)
        check_status(status, "grid_disk")
    finally:
        fb_h3_disk_free(disk)
    if <uint64_t>starts[n] < room:
        values = values[:starts[n]].copy()
    return ragged(batch, values, offsets)


def grid_disk(cell, k=1):
    """Return all cells within `k` steps of cells.

    Parameters
    ----------
    cell : int or array of ints, shape (n,)
        Valid cells.
    k : int
        How many steps, in ``[0, 13780510]``.

    Returns
    -------
    array of uint64
        The disk around one cell: the cell itself, the ring of its neighbours, and so on outwards.
        If there is no pentagon in the disk, a ring begins in the direction of digit 4 and runs
        counter-clockwise. Otherwise the cells of a ring are ascending.
    values, offsets : array of uint64, array of int64
        For an array of cells: the disk of cell i is ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    ValueError
        If an id is not a cell, or `k` is out of range, or the array is not 1-D.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> disk = h3.grid_disk(0x891fb467423ffff, 2)
    >>> len(disk), hex(disk[0])
    (19, '0x891fb467423ffff')
    """
    return disks(cell, k, False)


def grid_ring(cell, k=1):
    """Return the cells that are exactly `k` steps from cells.

    Parameters
    ----------
    cell : int or array of ints, shape (n,)
        Valid cells.
    k : int
        How many steps, in ``[0, 13780510]``.

    Returns
    -------
    array of uint64
        The ring around one cell: the last part of `grid_disk`, in the same order.
    values, offsets : array of uint64, array of int64
        For an array of cells: the ring of cell i is ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    ValueError
        If an id is not a cell, or `k` is out of range, or the array is not 1-D.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> len(h3.grid_ring(0x891fb467423ffff, 2))
    12
    """
    return disks(cell, k, True)


cdef Batch pairs(object a, object b):
    cdef Batch batch = with_cells(with_cells(Batch(), "a", a), "b", b)
    batch.broadcast()
    return batch


def grid_distance(a, b, *, out=None):
    """Return how many steps lead from cells to others.

    Parameters
    ----------
    a, b : int or array of ints
        Valid cells, of one resolution, in the same base cell or in base cells next to each other.
    out : numpy.ndarray of int64, optional
        Where to put the result.

    Returns
    -------
    int or array of int64
        The length of the shortest way, near pentagons too.

    Raises
    ------
    ValueError
        If an id is not a cell, resolutions differ, cells are farther apart than that, or `out`
        does not fit.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> from fastblocks.geo import h3
    >>> paris, london = h3.latlng_to_cell([48.8584, 51.5007], [2.2945, -0.1246], 9)
    >>> h3.grid_distance(paris, london)
    1032
    """
    cdef uint64_t one, other
    cdef int64_t steps
    if out is None and plain_id(a, &one) and plain_id(b, &other):
        if fb_h3_is_valid(one) and fb_h3_is_valid(other) and fb_h3_res(one) == fb_h3_res(other):
            steps = fb_h3_distance(one, other)
            if steps >= 0:
                return steps
    cdef Batch batch = pairs(a, b)
    result = batch.scratch(out, "int64")
    cdef const uint64_t *x = <const uint64_t *>batch.data(0)
    cdef const uint64_t *y = <const uint64_t *>batch.data(1)
    cdef int64_t *to = <int64_t *>data_of(result)
    cdef Py_ssize_t i = 0, n = batch.n
    with nogil:
        while i < n and fb_h3_res(x[i]) == fb_h3_res(y[i]):
            to[i] = fb_h3_distance(x[i], y[i])
            if to[i] < 0:
                break
            i += 1
    if i < n:
        if fb_h3_res(x[i]) != fb_h3_res(y[i]):
            raise batch.bad(1, i, f"of resolution {fb_h3_res(x[i])} as the cell of a is")
        raise batch.bad(1, i, "in the same base cell as the cell of a or in one next to it")
    return batch.give(result, out)


def are_neighbor_cells(a, b, *, out=None):
    """Tell whether cells have an edge in common with others.

    Parameters
    ----------
    a, b : int or array of ints
        Valid cells. A cell is no neighbour of itself, nor of cells of other resolutions.
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
    >>> cell, neighbor, *_ = h3.grid_disk(0x891fb467423ffff)
    >>> h3.are_neighbor_cells(cell, neighbor), h3.are_neighbor_cells(cell, cell)
    (True, False)
    """
    cdef uint64_t one, other
    if out is None and plain_id(a, &one) and plain_id(b, &other):
        if fb_h3_is_valid(one) and fb_h3_is_valid(other):
            return fb_h3_are_neighbors(one, other)
    cdef Batch batch = pairs(a, b)
    result = batch.result(out, "bool")
    cdef const uint64_t *x = <const uint64_t *>batch.data(0)
    cdef const uint64_t *y = <const uint64_t *>batch.data(1)
    cdef unsigned char *to = <unsigned char *>data_of(result)
    cdef Py_ssize_t i, n = batch.n
    with nogil:
        for i in range(n):
            to[i] = fb_h3_are_neighbors(x[i], y[i])
    return batch.give(result, out)
