"""XXH3-64: the hash of every block, for use on its own."""

from libc.stdint cimport uint8_t, uint64_t

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t, fb_keys_next, fb_xxh3_64, hash_key, key_batch, seed64,
)

cdef extern from "keys.h" nogil:
    size_t fb_utf8_encode(const void *text, unsigned width, size_t n, uint8_t *out)

cdef extern from "fastcall.h":
    ctypedef struct fb_fastcall_t:
        pass
    fb_fastcall_t fb_fastcall_hash
    object fb_fastcall_make(object general, object module_name, fb_fastcall_t *shortcut)


def xxh3_64(key, seed=0):
    """Hash one key with XXH3, 64-bit variant.

    Parameters
    ----------
    key : str, bytes, bytearray, memoryview or int
        A ``str`` is hashed as its UTF-8 bytes, an ``int`` in ``[-2**63, 2**64)`` as its 8 bytes,
        little-endian, in two's complement.
    seed : int, default 0
        In ``[0, 2**64)``.

    Returns
    -------
    int
        The hash, in ``[0, 2**64)``: the same on every platform and in every process.

    Raises
    ------
    TypeError
        If `key` is of another type.
    OverflowError
        If an ``int`` key is out of range.
    ValueError
        If `seed` is out of range, or a ``str`` has no UTF-8 form (lone surrogates).

    Notes
    -----
    O(length of the key). Bit-identical to the XXH3 specification (reference 1). Not for cryptography.

    References
    ----------
    .. [1] Y. Collet, "XXH3 specification", xxHash, doc/xxhash_spec.md.

    Examples
    --------
    >>> from fastblocks.hashing import xxh3_64
    >>> hex(xxh3_64("fastblocks"))
    '0x12602e9d6de5615a'
    >>> xxh3_64("a") == xxh3_64(b"a")
    True
    """
    return hash_key(key, seed64(seed))


xxh3_64 = fb_fastcall_make(xxh3_64, __name__, &fb_fastcall_hash)


def xxh3_64_many(keys, seed=0, out=None):
    """Hash a batch of keys with XXH3, 64-bit variant.

    Parameters
    ----------
    keys : array or iterable of keys, shape (n,)
        A NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array of
        integers, strings or binary (anything with ``__arrow_c_array__`` or
        ``__arrow_c_stream__``); a pandas Series; or any iterable of the keys that `xxh3_64` takes.
    seed : int, default 0
        In ``[0, 2**64)``.
    out : ndarray of uint64, shape (n,), optional
        Where to write the hashes; C-contiguous and writable.

    Returns
    -------
    ndarray of uint64, shape (n,)
        ``out`` if given. ``result[i] == xxh3_64(keys[i], seed)``.

    Raises
    ------
    TypeError
        If `keys` is not such a batch, or holds something that is no key.
    OverflowError
        If an ``int`` key is out of range.
    ValueError
        If `keys` has a null or is not 1-D, or `seed` or `out` does not fit. `out` is unchanged
        after any error.

    Notes
    -----
    O(n). Arrays are read in place; from 512 keys on, the work is done without the GIL.

    Examples
    --------
    >>> import numpy as np
    >>> from fastblocks.hashing import xxh3_64, xxh3_64_many
    >>> xxh3_64_many(np.arange(3)).tolist() == [xxh3_64(i) for i in range(3)]
    True
    """
    cdef uint64_t seed_ = seed64(seed)
    cdef KeyBatch batch = key_batch(keys, seed_)
    result = batch.result_array(out, "uint64")
    cdef uint64_t *hashes = <uint64_t *>data_of(result)
    cdef fb_keys_cursor_t cursor = batch.cursor()
    if batch.n < RELEASE_GIL_FROM:
        fb_keys_next(&cursor, seed_, hashes, batch.n)
    else:
        with nogil:
            fb_keys_next(&cursor, seed_, hashes, batch.n)
    return delivered(result, out)


# ---- for compiled code ---------------------------------------------------------------------------


cdef uint64_t hash_bytes(const uint8_t *data, size_t size, uint64_t seed) noexcept nogil:
    return fb_xxh3_64(data, size, seed)


cdef Py_ssize_t encode(const void *text, unsigned width, size_t n, uint8_t *out) noexcept nogil:
    return <Py_ssize_t>fb_utf8_encode(text, width, n, out)


fb_cpu_level()
