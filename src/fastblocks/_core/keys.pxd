# Keys of every kind to 64-bit hashes: one at a time (hash_key) and in batches (KeyBatch).

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.stdint cimport uint8_t, uint64_t

from fastblocks._core.arrow cimport ArrowColumn, arrow_chunk_t

cdef extern from "keys.h" nogil:
    ctypedef enum fb_keys_layout_t:
        FB_KEYS_HASHES
        FB_KEYS_INT8
        FB_KEYS_INT16
        FB_KEYS_INT32
        FB_KEYS_INT64
        FB_KEYS_UINT8
        FB_KEYS_UINT16
        FB_KEYS_UINT32
        FB_KEYS_UINT64
        FB_KEYS_PADDED
        FB_KEYS_FIXED
        FB_KEYS_UCS4
        FB_KEYS_OFFSET32
        FB_KEYS_OFFSET64
        FB_KEYS_VIEWS

    ctypedef struct fb_keys_part_t:
        fb_keys_layout_t layout
        size_t n
        size_t width
        const void *data
        const void *offsets
        const void *const *buffers
        uint8_t *scratch

    ctypedef struct fb_keys_cursor_t:
        const fb_keys_part_t *parts
        size_t n_parts
        size_t part
        size_t at

    ctypedef struct fb_hasher_t:
        uint64_t (*bytes)(const uint8_t *key, size_t len) noexcept nogil
        uint64_t (*integer)(uint64_t word, bint negative) noexcept nogil

    size_t fb_keys_next(fb_keys_cursor_t *cursor, uint64_t seed, uint64_t *hashes, size_t max)

cdef extern from "xxh3.h" nogil:
    uint64_t fb_xxh3_64(const void *p, size_t len, uint64_t seed)
    uint64_t fb_xxh3_64_u64(uint64_t v, uint64_t seed)

cdef extern from "pykeys.h" nogil:
    bint FB_HAVE_GIL
    int fb_py_hash_common(object key, uint64_t seed, uint64_t *h) except -1

# The kinds of key that fb_py_hash_common leaves, and the errors for what is no key.
cdef int hash_other(object key, uint64_t seed, uint64_t *h) except -1

# The hash of one key.
cdef inline uint64_t hash_key(object key, uint64_t seed) except? 0xC7A3:
    cdef uint64_t h
    if not fb_py_hash_common(key, seed, &h):
        hash_other(key, seed, &h)
    return h


# The hash of one key by another hash than XXH3.
cdef uint64_t hash_key_by(object key, const fb_hasher_t *hasher) except? 0xC7A3


# A seed argument as a 64-bit word; seed_other takes the unusual ones and raises the errors.
cdef uint64_t seed_other(object seed) except? 0xC7A3
cdef inline uint64_t seed64(object seed) except? 0xC7A3:
    cdef int overflow
    cdef long long small
    if PyLong_CheckExact(seed):
        small = PyLong_AsLongLongAndOverflow(seed, &overflow)
        if not overflow and small >= 0:
            return <uint64_t>small
    return seed_other(seed)


# A batch of keys, whatever it was given as, ready to be read from C without the GIL. It holds on to
# the memory it describes. Keys that are Python objects are hashed when the batch is made; so a
# batch that exists holds only good keys.
cdef class KeyBatch:
    cdef fb_keys_part_t *parts
    cdef size_t n_parts
    cdef readonly size_t n
    cdef object array      # the NumPy array whose memory the parts point into, if it is one
    cdef ArrowColumn column  # the Arrow column, if it is that
    cdef const fb_hasher_t *hasher  # by which Python objects are hashed; NULL: XXH3
    cdef list items        # the keys themselves, if they are Python objects and are held
    cdef bint text         # they are strings, so UTF-8
    cdef void *memory      # freed with the batch: hashes or scratch

    cdef fb_keys_cursor_t cursor(self) noexcept nogil
    cdef fb_keys_part_t *new_parts(self, size_t n) except NULL

    # An array for one result a key: `out`, once checked, or a new one if there is no `out` or if
    # writing to it might change keys that are yet to be read (then see arrays.delivered).
    cdef object result_array(self, object out, str dtype)

    # Key i as a str, bytes or int. Of Python objects only if the batch holds them.
    cdef object key_at(self, size_t i)

# `hold`: keep the Python objects too, in a list of their own, and not only their hashes.
# `hasher`: hash Python objects with it, and not by XXH3; to be read by fb_keys_next_by.
cdef KeyBatch key_batch(object keys, uint64_t seed, bint hold=*, const fb_hasher_t *hasher=*)

# A key as an object that nobody can change: a str, bytes or int and no subclass of these.
cdef object plain_key(object key)

# Below this many keys a batch keeps the GIL: giving it up could cost more than the work.
cdef enum:
    RELEASE_GIL_FROM = 512

# Describes a chunk of an Arrow column as a part; `width` is that of an item, if all have the same. ARROW_TEXTS has
# the layouts of columns of strings and binary, by their format.
cdef void describe_chunk(
    fb_keys_part_t *part, const arrow_chunk_t *chunk, fb_keys_layout_t layout, size_t width
) noexcept
cdef dict ARROW_TEXTS
