"""Jump consistent hash."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint64_t

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_hasher_t, fb_keys_cursor_t, hash_key_by, key_batch,
)

cdef extern from "ring/jump.h" nogil:
    const fb_hasher_t fb_jump_hasher
    int32_t fb_jump(uint64_t key, int32_t buckets)
    void fb_jump_keys(fb_keys_cursor_t keys, int32_t buckets, int32_t *out)

cdef extern from "fastcall.h":
    ctypedef object fb_fastcall_t(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                                  PyObject *names)
    object fb_fastcall_pass_on(PyObject *const *args, Py_ssize_t n_args, PyObject *names)
    object fb_fastcall_make(object general, object module_name, fb_fastcall_t *shortcut)

cdef extern from "pykeys.h":  # borrowed references throughout: counting them would cost as much
    bint PyLong_CheckExact(PyObject *number)
    bint PyLong_Check(PyObject *number)
    long long PyLong_AsLongLongAndOverflow(PyObject *number, int *overflow)
    int fb_py_hash_common(PyObject *key, uint64_t seed, uint64_t *h) except -1

cdef enum:
    MOST = 0x7FFFFFFF  # buckets


def jump_hash(key, buckets):
    """Return which of numbered buckets a key belongs to; few keys move when the number changes.

    Parameters
    ----------
    key : int, str, bytes, bytearray or memoryview
        An ``int`` in ``[-2**63, 2**64)`` is the 64-bit value itself, in two's complement, as in the
        paper and in other programs. Of text and bytes it is their `xxh3_64`.
    buckets : int
        Their number, in ``[1, 2**31)``.

    Returns
    -------
    int
        In ``[0, buckets)``: the same on every platform and in every process.

    Raises
    ------
    TypeError
        If an argument is of another type.
    OverflowError
        If an ``int`` key is out of range.
    ValueError
        If `buckets` is out of range, or a ``str`` has no UTF-8 form (lone surrogates).

    Notes
    -----
    O(log buckets), and no memory. Every bucket has the same share of the keys. From n to n + 1
    buckets, 1 key in n + 1 moves, to the new bucket; so only the last bucket can be taken away
    with as little movement. For nodes with names or weights, or nodes that fail, see
    `RendezvousHash`.

    References
    ----------
    .. [1] J. Lamping, E. Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm",
       arXiv:1406.2294, 2014.

    Examples
    --------
    >>> from fastblocks.ring import jump_hash
    >>> jump_hash("Lisbon", 10), jump_hash("Lisbon", 11)
    (8, 8)
    >>> jump_hash(2**32, 1000)
    937
    """
    cdef int32_t n = check.integer("buckets", buckets, 1, MOST)
    return fb_jump(hash_key_by(key, &fb_jump_hasher), n)


cdef object shortcut(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *names):
    cdef int overflow
    cdef long long n
    cdef uint64_t word
    if n_args == 2 and names == NULL and PyLong_CheckExact(args[1]):
        n = PyLong_AsLongLongAndOverflow(args[1], &overflow)
        if 0 < n <= MOST:
            if PyLong_CheckExact(args[0]):
                word = <uint64_t>PyLong_AsLongLongAndOverflow(args[0], &overflow)
                if not overflow:
                    return fb_jump(word, <int32_t>n)
            elif not PyLong_Check(args[0]) and fb_py_hash_common(args[0], 0, &word):
                return fb_jump(word, <int32_t>n)
    return fb_fastcall_pass_on(args, n_args, names)


jump_hash = fb_fastcall_make(jump_hash, __name__, &shortcut)


def jump_hash_many(keys, buckets, out=None):
    """Return which of numbered buckets every key of a batch belongs to.

    Parameters
    ----------
    keys : array or iterable of keys, shape (n,)
        A NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array of
        integers, strings or binary (anything with ``__arrow_c_array__`` or
        ``__arrow_c_stream__``); a pandas Series; or any iterable of the keys that `jump_hash` takes.
    buckets : int
        Their number, in ``[1, 2**31)``.
    out : ndarray of int32, shape (n,), optional
        Where to write the answers; C-contiguous and writable.

    Returns
    -------
    ndarray of int32, shape (n,)
        ``out`` if given. ``result[i] == jump_hash(keys[i], buckets)``.

    Raises
    ------
    TypeError
        If `keys` is not such a batch, or holds something that is no key.
    OverflowError
        If an ``int`` key is out of range.
    ValueError
        If `keys` has a null or is not 1-D, or `buckets` or `out` does not fit. `out` is unchanged
        after any error.

    Notes
    -----
    O(n log buckets). Arrays are read in place; from 512 keys on, the work is done without the GIL.

    Examples
    --------
    >>> import numpy as np
    >>> from fastblocks.ring import jump_hash_many
    >>> jump_hash_many(np.arange(5), 100)
    array([ 0, 55, 62,  8, 45], dtype=int32)
    """
    cdef int32_t n = check.integer("buckets", buckets, 1, MOST)
    cdef KeyBatch batch = key_batch(keys, 0, False, &fb_jump_hasher)
    result = batch.result_array(out, "int32")
    cdef int32_t *answers = <int32_t *>data_of(result)
    if batch.n < RELEASE_GIL_FROM:
        fb_jump_keys(batch.cursor(), n, answers)
    else:
        with nogil:
            fb_jump_keys(batch.cursor(), n, answers)
    return delivered(result, out)


# ---- for compiled code ---------------------------------------------------------------------------


cdef int32_t bucket_of(uint64_t word, int32_t buckets) noexcept nogil:
    return fb_jump(word, buckets)


fb_cpu_level()
