"""Geohash: cells named by texts, of which every prefix is the cell that holds it."""

from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t, uint8_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of
from fastblocks._core.columns cimport Batch, is_latlng, plain_double, plain_id
from fastblocks._core.cpu cimport fb_cpu_level

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 most)

cdef extern from "fastcall.h":
    ctypedef object fb_fastcall_t(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                                  PyObject *names)
    object fb_fastcall_pass_on(PyObject *const *args, Py_ssize_t n_args, PyObject *names)
    object fb_fastcall_make(object general, object module_name, fb_fastcall_t *shortcut)

cdef extern from "Python.h":  # borrowed references: counting them would cost as much
    bint PyFloat_CheckExact(PyObject *number)
    double PyFloat_AS_DOUBLE(PyObject *number)
    bint PyLong_CheckExact(PyObject *number)
    long long PyLong_AsLongLongAndOverflow(PyObject *number, int *overflow)

cdef extern from "geo/geohash.h" nogil:
    enum:
        FB_GEOHASH_MOST
        FB_GEOHASH_NEIGHBORS
        FB_GEOHASH_CHILDREN
    ctypedef struct fb_geohash_grid_t:
        uint64_t rows
        uint64_t columns
    uint64_t fb_geohash_code(double lat, double lng)
    void fb_geohash_encode(
        const double *lat, const double *lng, size_t n, unsigned bits, uint64_t *out)
    void fb_geohash_encode_texts(
        const double *lat, const double *lng, size_t n, unsigned precision, char *out)
    void fb_geohash_write(uint64_t code, unsigned precision, char *out)
    unsigned fb_geohash_read(const char *text, size_t width, uint64_t *code)
    size_t fb_geohash_read_texts(
        const char *texts, size_t width, size_t n, uint64_t *codes, uint8_t *precisions)
    void fb_geohash_write_texts(
        const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width, char *out)
    void fb_geohash_center(uint64_t code, unsigned precision, double *lat, double *lng)
    void fb_geohash_centers(
        const uint64_t *codes, const uint8_t *precisions, size_t n, double *lat, double *lng)
    void fb_geohash_bounds(uint64_t code, unsigned precision, double *box)
    void fb_geohash_bounds_each(
        const uint64_t *codes, const uint8_t *precisions, size_t n, double *west, double *south,
        double *east, double *north)
    size_t fb_geohash_neighbors(uint64_t code, unsigned precision, uint64_t *out)
    void fb_geohash_neighbor_texts(
        const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width, char *out,
        int64_t *offsets)
    void fb_geohash_child_texts(
        const uint64_t *codes, const uint8_t *precisions, size_t n, size_t width, char *out)
    fb_geohash_grid_t fb_geohash_grid(const double *box, unsigned precision)
    void fb_geohash_grid_codes(const fb_geohash_grid_t *grid, unsigned precision, uint64_t *out)

__all__ = [
    "bounds", "children", "cover", "decode", "encode", "encode_int", "from_int", "neighbors", "parent",
    "to_int",
]

cdef str ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
cdef enum:
    MOST_CELLS = 0x4000000  # of a cover


# ---- points to cells -----------------------------------------------------------------------------

def encode(lat, lng, precision=12, *, out=None):
    """Return the geohash of the cell that holds a point.

    Parameters
    ----------
    lat : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng : float or array of floats
        Degrees, finite; wrapped to ``[-180, 180)``.
    precision : int, default 12
        Characters, in ``[1, 12]``.
    out : ndarray of ``S<precision>``, optional
        Where to write the answers for arrays; C-contiguous and writable.

    Returns
    -------
    str, or array of ``S<precision>``
        For arrays, of their broadcast shape; for columns of pandas, polars or pyarrow a column of
        theirs.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a coordinate or `precision` is out of range, or a column holds nulls.

    Notes
    -----
    A cell holds its southern and western border; the northernmost ones hold the pole too. The cells are
    those of python-geohash.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.encode(57.64911, 10.40744, 11)
    'u4pruydqqvj'
    >>> geohash.encode([57.64911, 38.71], [10.40744, -9.14], 5)
    array([b'u4pru', b'eycs0'], dtype='|S5')
    """
    cdef double y, x
    cdef unsigned letters = check_precision(precision)
    if out is None and plain_double(lat, &y) and plain_double(lng, &x) and is_latlng(y, x):
        return text_of(fb_geohash_code(y, x), letters)
    cdef Batch batch = points(lat, lng)
    result = batch.result(out, f"S{letters}")
    cdef const double *ys = <const double *>batch.data(0)
    cdef const double *xs = <const double *>batch.data(1)
    cdef char *texts = <char *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_geohash_encode_texts(ys, xs, n, letters, texts)
    return batch.give(result, out)


cdef object shortcut(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *names):
    cdef int overflow
    cdef long long letters = FB_GEOHASH_MOST
    cdef double y, x
    if names == NULL and 2 <= n_args <= 3 and PyFloat_CheckExact(args[0]) and PyFloat_CheckExact(args[1]):
        y = PyFloat_AS_DOUBLE(args[0])
        x = PyFloat_AS_DOUBLE(args[1])
        if n_args == 3:
            letters = -1
            if PyLong_CheckExact(args[2]):
                letters = PyLong_AsLongLongAndOverflow(args[2], &overflow)
        if 1 <= letters <= FB_GEOHASH_MOST and is_latlng(y, x):
            return text_of(fb_geohash_code(y, x), <unsigned>letters)
    return fb_fastcall_pass_on(args, n_args, names)


encode = fb_fastcall_make(encode, __name__, &shortcut)


def encode_int(lat, lng, bits=60, *, out=None):
    """Return the cell that holds a point as an integer: the bits of its geohash.

    Parameters
    ----------
    lat : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng : float or array of floats
        Degrees, finite; wrapped to ``[-180, 180)``.
    bits : int, default 60
        How many, in ``[1, 64]``: the first halves the longitudes, the second the latitudes, and so on.
    out : ndarray of uint64, optional
        Where to write the answers for arrays; C-contiguous and writable.

    Returns
    -------
    int, or array of uint64
        Below ``2**bits``. ``encode_int(lat, lng, 5 * p) == to_int(encode(lat, lng, p))``.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a coordinate or `bits` is out of range, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.encode_int(57.64911, 10.40744, 25)
    27416314
    """
    cdef double y, x
    cdef uint64_t width
    if not plain_id(bits, &width) or not 1 <= width <= 64:
        width = check.integer("bits", bits, 1, 64)
    if out is None and plain_double(lat, &y) and plain_double(lng, &x) and is_latlng(y, x):
        return fb_geohash_code(y, x) >> (64 - width)
    cdef Batch batch = points(lat, lng)
    result = batch.result(out, "uint64")
    cdef const double *ys = <const double *>batch.data(0)
    cdef const double *xs = <const double *>batch.data(1)
    cdef uint64_t *codes = <uint64_t *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        fb_geohash_encode(ys, xs, n, <unsigned>width, codes)
    return batch.give(result, out)


cdef inline unsigned check_precision(object precision) except 0:
    cdef uint64_t letters
    if plain_id(precision, &letters) and 1 <= letters <= FB_GEOHASH_MOST:
        return <unsigned>letters
    return check.integer("precision", precision, 1, FB_GEOHASH_MOST)


cdef Batch points(object lat, object lng):
    cdef Batch batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    return batch


# ---- cells, in ------------------------------------------------------------------------------------

# The precision of a str that is a geohash, and its code; 0 for what is for `Cells`.
cdef inline unsigned plain_cell(object gh, uint64_t *code) noexcept:
    cdef unsigned letters
    if not PyUnicode_CheckExact(gh) or not PyUnicode_IS_COMPACT_ASCII(gh):
        return 0
    letters = fb_geohash_read(<const char *>PyUnicode_DATA(gh), PyUnicode_GET_LENGTH(gh), code)
    return letters if <Py_ssize_t>letters == PyUnicode_GET_LENGTH(gh) else 0


cdef class Cells:
    """A column of geohashes, read."""
    cdef Batch batch
    cdef object codes, precisions
    cdef size_t n
    cdef unsigned longest  # precision; 1 if there are no cells

    def __init__(self, gh, unsigned low=1, unsigned high=FB_GEOHASH_MOST):
        import numpy as np

        cdef size_t bad
        self.batch = Batch()
        self.batch.texts("gh", gh)
        self.batch.broadcast()
        self.n = self.batch.n
        self.codes = np.empty(self.batch.shape, np.uint64)
        self.precisions = np.empty(self.batch.shape, np.uint8)
        cdef const char *texts = <const char *>self.batch.data(0)
        cdef size_t width = self.batch.arrays[0].dtype.itemsize
        cdef uint64_t *codes = self.code()
        cdef uint8_t *precisions = self.precision()
        with nogil:
            bad = fb_geohash_read_texts(texts, width, self.n, codes, precisions)
        if bad == self.n:
            self.longest = self.precisions.max(initial=low)
            if self.precisions.min(initial=high) < low or self.longest > high:
                bad = ((self.precisions < low) | (self.precisions > high)).argmax()
        if bad < self.n:
            raise self.batch.bad(0, bad, f"{low} to {high} characters of {ALPHABET}")

    cdef uint64_t *code(self) noexcept:
        return <uint64_t *>data_of(self.codes)

    cdef uint8_t *precision(self) noexcept:
        return <uint8_t *>data_of(self.precisions)


# ---- cells to places -----------------------------------------------------------------------------

def decode(gh):
    """Return the centre of a cell.

    Parameters
    ----------
    gh : str or array of str
        Geohashes of 1 to 12 characters; upper case is read as lower.

    Returns
    -------
    lat, lng : float, or array of float64
        Degrees; exact, but for the last rounding.

    Raises
    ------
    TypeError
        If `gh` is of another type.
    ValueError
        If one is no geohash, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.decode("ezs42")
    (42.60498046875, -5.60302734375)
    """
    cdef double y, x
    cdef uint64_t code
    cdef unsigned letters = plain_cell(gh, &code)
    if letters:
        fb_geohash_center(code, letters, &y, &x)
        return y, x
    cdef Cells cells = Cells(gh)
    lat = cells.batch.result(None, "float64")
    lng = cells.batch.result(None, "float64")
    cdef double *ys = <double *>data_of(lat)
    cdef double *xs = <double *>data_of(lng)
    cdef const uint64_t *codes = cells.code()
    cdef const uint8_t *precisions = cells.precision()
    with nogil:
        fb_geohash_centers(codes, precisions, cells.n, ys, xs)
    return cells.batch.give(lat, None), cells.batch.give(lng, None)


def bounds(gh):
    """Return the borders of a cell.

    Parameters
    ----------
    gh : str or array of str
        Geohashes of 1 to 12 characters.

    Returns
    -------
    min_x, min_y, max_x, max_y : float, or array of float64
        West, south, east and north, in degrees; exact, but for the last rounding.

    Raises
    ------
    TypeError
        If `gh` is of another type.
    ValueError
        If one is no geohash, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.bounds("ezs42")
    (-5.625, 42.5830078125, -5.5810546875, 42.626953125)
    """
    cdef double box[4]
    cdef uint64_t code
    cdef unsigned letters = plain_cell(gh, &code)
    if letters:
        fb_geohash_bounds(code, letters, box)
        return box[0], box[1], box[2], box[3]
    cdef Cells cells = Cells(gh)
    sides = [cells.batch.result(None, "float64") for _ in range(4)]
    cdef double *west = <double *>data_of(sides[0])
    cdef double *south = <double *>data_of(sides[1])
    cdef double *east = <double *>data_of(sides[2])
    cdef double *north = <double *>data_of(sides[3])
    cdef const uint64_t *codes = cells.code()
    cdef const uint8_t *precisions = cells.precision()
    with nogil:
        fb_geohash_bounds_each(codes, precisions, cells.n, west, south, east, north)
    return tuple([cells.batch.give(side, None) for side in sides])


# ---- cells to cells ------------------------------------------------------------------------------

def neighbors(gh):
    """Return the cells around a cell.

    Parameters
    ----------
    gh : str or 1-D array of str
        Geohashes of 1 to 12 characters.

    Returns
    -------
    list of str, or (values, offsets)
        N, NE, E, SE, S, SW, W, NW, without those that would lie beyond a pole: 8, or 5 in the first
        and the last row. West of -180° lies the cell at the end of the row. For an array, the
        neighbours of ``gh[i]`` are ``values[offsets[i]:offsets[i + 1]]``: an ``S`` and an int64 array.

    Raises
    ------
    TypeError
        If `gh` is of another type.
    ValueError
        If one is no geohash, a column holds nulls, or `gh` is not 1-D.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.neighbors("u4pru")
    ['u4r2h', 'u4r2j', 'u4prv', 'u4prt', 'u4prs', 'u4pre', 'u4prg', 'u4r25']
    >>> geohash.neighbors("b")  # at the North Pole and the antimeridian
    ['c', '9', '8', 'x', 'z']
    """
    cdef uint64_t around[FB_GEOHASH_NEIGHBORS]
    cdef uint64_t code
    cdef size_t k
    cdef unsigned letters = plain_cell(gh, &code)
    if letters:
        return [text_of(around[k], letters)
                for k in range(fb_geohash_neighbors(code, letters, around))]
    import numpy as np

    cdef Cells cells = Cells(gh)
    if cells.batch.shape == ():
        return neighbors(str(cells.batch.rows()[0][0]))
    check.one_dimension("gh", cells.batch.shape)
    values = np.empty(FB_GEOHASH_NEIGHBORS * cells.n, f"S{cells.longest}")
    offsets = np.empty(cells.n + 1, np.int64)
    cdef char *texts = <char *>data_of(values)
    cdef int64_t *ends = <int64_t *>data_of(offsets)
    cdef const uint64_t *codes = cells.code()
    cdef const uint8_t *precisions = cells.precision()
    with nogil:
        fb_geohash_neighbor_texts(codes, precisions, cells.n, cells.longest, texts, ends)
    return values[:ends[cells.n]], offsets


def parent(gh, *, out=None):
    """Return the cell that holds a cell: without the last character.

    Parameters
    ----------
    gh : str or array of str
        Geohashes of 2 to 12 characters.
    out : ndarray of ``S``, optional
        Where to write the answers for arrays: as wide as the longest; C-contiguous and writable.

    Returns
    -------
    str, or array of ``S``
        One character shorter, in lower case.

    Raises
    ------
    TypeError
        If `gh` is of another type.
    ValueError
        If one is no such geohash, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.parent("u4pru")
    'u4pr'
    """
    cdef uint64_t code
    cdef unsigned letters = plain_cell(gh, &code)
    if letters > 1 and out is None:
        return text_of(code, letters - 1)
    cdef Cells cells = Cells(gh, 2)
    cells.precisions -= 1
    return written(cells, cells.longest - 1, out)


def children(gh):
    """Return the 32 cells that a cell holds.

    Parameters
    ----------
    gh : str or array of str
        Geohashes of 1 to 11 characters.

    Returns
    -------
    list of str, or array of ``S``, shape (..., 32)
        One character longer, in the order of the alphabet.

    Raises
    ------
    TypeError
        If `gh` is of another type.
    ValueError
        If one is no such geohash, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.children("u4pru")[:3]
    ['u4pru0', 'u4pru1', 'u4pru2']
    """
    cdef Cells cells = Cells(gh, 1, FB_GEOHASH_MOST - 1)
    result = cells.batch.scratch(None, f"S{cells.longest + 1}", (FB_GEOHASH_CHILDREN,))
    cdef char *texts = <char *>data_of(result)
    cdef const uint64_t *codes = cells.code()
    cdef const uint8_t *precisions = cells.precision()
    with nogil:
        fb_geohash_child_texts(codes, precisions, cells.n, cells.longest + 1, texts)
    if cells.batch.shape == ():
        return [text.decode() for text in result.tolist()]
    return result


cdef inline object text_of(uint64_t code, unsigned precision):
    text = PyUnicode_New(precision, 127)
    fb_geohash_write(code, precision, <char *>PyUnicode_DATA(text))
    return text


cdef object written(Cells cells, size_t width, object out):
    """The texts of cells, given back."""
    result = cells.batch.result(out, f"S{width}")
    cdef char *texts = <char *>data_of(result)
    cdef const uint64_t *codes = cells.code()
    cdef const uint8_t *precisions = cells.precision()
    with nogil:
        fb_geohash_write_texts(codes, precisions, cells.n, width, texts)
    return cells.batch.give(result, out)


# ---- integers ------------------------------------------------------------------------------------

def to_int(gh, *, out=None):
    """Return a geohash as an integer: 5 bits a character.

    Parameters
    ----------
    gh : str or array of str
        Geohashes of 1 to 12 characters.
    out : ndarray of uint64, optional
        Where to write the answers for arrays; C-contiguous and writable.

    Returns
    -------
    int, or array of uint64
        Below ``2 ** (5 * len(gh))``. It does not tell the length.

    Raises
    ------
    TypeError
        If `gh` is of another type.
    ValueError
        If one is no geohash, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.to_int("ezs42")
    14672002
    """
    cdef uint64_t code
    cdef unsigned letters = plain_cell(gh, &code)
    if letters and out is None:
        return code >> (64 - 5 * letters)
    cdef Cells cells = Cells(gh)
    result = cells.batch.scratch(out, "uint64")
    result[...] = cells.codes >> (64 - 5 * cells.precisions.astype("uint64"))
    return cells.batch.give(result, out)


def from_int(value, precision, *, out=None):
    """Return the geohash of an integer: what `to_int` made of it.

    Parameters
    ----------
    value : int or array of ints
        In ``[0, 2 ** (5 * precision))``.
    precision : int
        Characters, in ``[1, 12]``.
    out : ndarray of ``S<precision>``, optional
        Where to write the answers for arrays; C-contiguous and writable.

    Returns
    -------
    str, or array of ``S<precision>``
        Of the shape of `value`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.from_int(14672002, 5)
    'ezs42'
    """
    import numpy as np

    cdef unsigned letters = check_precision(precision)
    cdef Batch batch = Batch()
    batch.ids("value", value)
    batch.broadcast()
    bad = batch.arrays[0] >> np.uint64(5 * letters) != 0
    if bad.any():
        raise batch.bad(0, int(bad.argmax()), f"in [0, 2**{5 * letters})")
    cdef Cells cells = Cells.__new__(Cells)
    cells.batch = batch
    cells.n = batch.n
    cells.codes = np.asarray(batch.arrays[0] << np.uint64(64 - 5 * letters))
    cells.precisions = np.full(batch.shape, letters, np.uint8)
    return written(cells, letters, out)


# ---- boxes ---------------------------------------------------------------------------------------

def cover(box, precision, max_cells=None):
    """Return the cells that hold the points of a box.

    Parameters
    ----------
    box : (min_x, min_y, max_x, max_y)
        West, south, east and north in degrees, borders included. West above east: a box across the
        antimeridian.
    precision : int
        Characters, in ``[1, 12]``.
    max_cells : int, optional
        If more would be needed, cells of the highest lower precision are taken of which so many are
        enough.

    Returns
    -------
    ndarray of ``S``, shape (n,)
        Sorted; all of one precision.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range, the box takes more than 2**26 cells, or more than `max_cells` at every
        precision.

    Examples
    --------
    >>> from fastblocks.geo import geohash
    >>> geohash.cover((10.40, 57.64, 10.42, 57.66), 5)
    array([b'u4pru', b'u4prv', b'u4r2h', b'u4r2j'], dtype='|S5')
    >>> geohash.cover((10.40, 57.64, 10.42, 57.66), 9, max_cells=10)
    array([b'u4pru', b'u4prv', b'u4r2h', b'u4r2j'], dtype='|S5')
    """
    import numpy as np

    cdef double sides[4]
    cdef unsigned letters = check_precision(precision)
    cdef uint64_t most = MOST_CELLS
    cdef fb_geohash_grid_t grid
    sides[0], sides[1], sides[2], sides[3] = check.box(box)
    if max_cells is not None:
        most = check.integer("max_cells", max_cells, 1, MOST_CELLS)
    grid = fb_geohash_grid(sides, letters)
    while grid.rows * grid.columns > most and letters > 1 and max_cells is not None:
        letters -= 1
        grid = fb_geohash_grid(sides, letters)
    if grid.rows * grid.columns > most:
        raise check.too_many_cells(grid.rows * grid.columns, letters, most)
    codes = np.empty(grid.rows * grid.columns, np.uint64)
    cdef uint64_t *each = <uint64_t *>data_of(codes)
    with nogil:
        fb_geohash_grid_codes(&grid, letters, each)
    codes.sort()
    return from_int(codes >> np.uint64(64 - 5 * letters), letters)


# ---- for compiled code ---------------------------------------------------------------------------


cdef uint64_t code_of(double lat, double lng) noexcept nogil:
    return fb_geohash_code(lat, lng)


fb_cpu_level()
