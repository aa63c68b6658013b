# Maps from keys to nodes: what ring, rendezvous hashing and Maglev share.
#
# A map is an object whose nodes change and a table that answers lookups. A table never changes: a change
# of nodes makes a new one, which replaces the old one at a stroke. Lookups take whichever table stands
# there when they begin, and no lock; they go on undisturbed while another thread changes the nodes.
#
# A class derives Table, whose `find`, `find_keys` and `rank` are its C core, and NodeMap, whose `build`
# makes the table and whose `describe` and `adopt` tell its parameters; `extra` and `take_extra` serialise
# what there is besides the nodes.

from libc.stdint cimport int32_t, uint32_t, uint64_t

from fastblocks._core.flat cimport Flat
from fastblocks._core.keys cimport fb_hasher_t, fb_keys_cursor_t
from fastblocks._core.status cimport fb_status_t


cdef class Table:
    cdef readonly tuple nodes  # of _core.nodes.Node
    cdef readonly tuple names
    cdef uint32_t n            # number of nodes

    # Fills in `nodes`; to be called first.
    cdef int name(self, object nodes) except -1

    # The index of the node of a hash, of every hash of a batch; there is a node.
    cdef uint32_t find(self, uint64_t h) noexcept nogil
    cdef void find_keys(self, fb_keys_cursor_t keys, uint64_t seed, const fb_hasher_t *hasher,
                        int32_t *out) noexcept nogil

    # The first `want` (at most n) nodes for a hash, in order of preference.
    cdef fb_status_t rank(self, uint64_t h, uint32_t want, uint32_t *out) noexcept nogil

    # Bytes of memory that it takes.
    cdef size_t memory(self) noexcept


cdef class NodeMap(Flat):
    cdef Table table
    cdef uint64_t _seed
    cdef const fb_hasher_t *hasher  # NULL: XXH3 with the seed

    # The table as it stands; and another in its place, after which __init__, which would change the
    # parameters that the table was built by, may not run any more.
    cdef Table current(self)
    cdef int replace(self, Table table) except -1

    # The hash of a key by which it is looked up.
    cdef uint64_t hash_of(self, object key) except? 0xC7A3

    # The first `want` nodes for a hash, as a list of names.
    cdef list ranked(self, Table table, uint64_t h, Py_ssize_t want)

    # The first nodes, and a change of them, all with `whole`: after `begin_init`, and setting what `build`
    # needs, also with `whole`, so that of two threads in one __init__ only one does it; after
    # `check_writable`.
    cdef int begin(self, list nodes) except -1
    cdef int add_node(self, object node) except -1
    cdef object remove_node(self, object name)

    # For the derived class to implement: -----------------------------------------------------

    # A new table of these nodes, which may be made out of `old`.
    cdef Table build(self, list nodes, Table old)

    # What is serialised behind the nodes, and its return; False if it makes no sense.
    cdef bytes extra(self)
    cdef bint take_extra(self, bytes data) except -1
