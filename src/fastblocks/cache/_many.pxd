# What is done to many entries of a cache: each a whole operation, as those of `Entries` on one key.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ._entries cimport Entries


# Sets pairs of key and value, one by one.
cdef int put_all(Entries cache, object pairs, int64_t life, tuple tags) except -1

# Removes the entry that the policy would evict next; returns its key and value.
cdef tuple pop_next(Entries cache)

# Remove every entry that is dead, those with a tag, those that predicate(key, value) chooses; how many.
cdef size_t remove_dead(Entries cache) except? 0xDEAD
cdef size_t remove_tagged(Entries cache, object tag) except? 0xDEAD
cdef size_t remove_where(Entries cache, object predicate) except? 0xDEAD

# Removes everything; the policy forgets what it learnt.
cdef int remove_all(Entries cache) except -1

# Another maxsize; evicts until the rest fits.
cdef int resize(Entries cache, uint64_t maxsize) except -1

# Bytes that the structure takes, without keys and values.
cdef uint64_t bytes_of(Entries cache) except? 0xDEAD


# Iterates over the keys that are alive, or the pairs of key and value.
cdef class Iterator:
    cdef Entries cache  # None at the end
    cdef uint32_t at
    cdef uint64_t changes
    cdef bint pairs
    cdef object entry(self)

cdef Iterator iterate(Entries cache, bint pairs)

# What a copy needs: of each entry that is alive the arguments of `revive`, those that would be evicted first in front.
# `ages`, if entries have times: the life that is left or None, the ages of value and last request, how long it took to
# load; all ns.
cdef list snapshot(Entries cache)
cdef int revive(Entries cache, object key, object value, uint64_t weight, tuple tags, tuple ages) except -1
