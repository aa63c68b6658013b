"""Rendezvous hashing."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from fastblocks._core.nodes import Node, checked_weight, node_list, node_name, scaled_weights

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport fb_hasher_t, fb_keys_cursor_t, seed64
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.ring._nodes cimport NodeMap, Table

cdef extern from "ring/rendezvous.h" nogil:
    ctypedef struct fb_rendezvous_t:
        pass
    fb_status_t fb_rendezvous_make(fb_rendezvous_t *t, uint32_t n)
    void fb_rendezvous_drop(fb_rendezvous_t *t)
    void fb_rendezvous_set(fb_rendezvous_t *t, uint32_t i, const uint8_t *name, size_t length,
                           uint64_t seed, double weight)
    size_t fb_rendezvous_bytes(uint32_t n)
    uint32_t fb_rendezvous_find(const fb_rendezvous_t *t, uint64_t h)
    void fb_rendezvous_find_keys(const fb_rendezvous_t *t, fb_keys_cursor_t keys, uint64_t seed,
                                 int32_t *out)
    fb_status_t fb_rendezvous_rank(const fb_rendezvous_t *t, uint64_t h, uint32_t want,
                                   uint32_t *out)

cdef uint32_t KIND = FB_STATE_FOURCC(c"R", c"N", c"D", c"V")
cdef enum:
    VERSION = 1


cdef class RendezvousTable(Table):
    cdef fb_rendezvous_t costs

    def __dealloc__(self):
        fb_rendezvous_drop(&self.costs)

    cdef uint32_t find(self, uint64_t h) noexcept nogil:
        return fb_rendezvous_find(&self.costs, h)

    cdef void find_keys(self, fb_keys_cursor_t keys, uint64_t seed, const fb_hasher_t *hasher,
                        int32_t *out) noexcept nogil:
        fb_rendezvous_find_keys(&self.costs, keys, seed, out)

    cdef fb_status_t rank(self, uint64_t h, uint32_t want, uint32_t *out) noexcept nogil:
        return fb_rendezvous_rank(&self.costs, h, want, out)

    cdef size_t memory(self) noexcept:
        return fb_rendezvous_bytes(self.n)


cdef class RendezvousHash(NodeMap):
    """RendezvousHash(nodes, weights=None, *, seed=0)\n--\n\n\
    Keys to nodes, by weight: the node with the best score for a key. Few keys move.

    Every node gets its share of the keys exactly, ``weight / sum of weights``, whatever their
    number. A node that comes takes keys only for itself; one that goes leaves each of its keys to the
    node that was the key's second. Lookups take time in proportion to the number of nodes: up to a
    few hundred it is the simplest map that does everything.

    Parameters
    ----------
    nodes : iterable of str or (str, float), or mapping of str to float
        The names of the nodes, 1 to 4096 bytes of UTF-8 each, at most ``2**24``; or names and weights.
    weights : mapping of str to float, or sequence of float, optional
        Above 0. A mapping may leave out nodes, whose weight is 1 then; a sequence has one for every
        node.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. All who must agree on nodes need the same.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, a node is there twice, or weights do not fit the nodes.

    Notes
    -----
    `get`, `get_index` and, for a key, `get_many` are O(nodes), about 0.4 ns a node with AVX2; twice
    that if weights differ. `get_n` is O(nodes + n log n); `add` and `remove` are O(nodes). A node
    takes 32 bytes.

    The order of the nodes does not matter but for `nodes` itself, and so for what indices mean. Keys
    are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in ``[-2**63, 2**64)``
    (as 8 bytes).

    Threads: any number may look up while others add and remove; each lookup sees the nodes before or
    after a change.

    References
    ----------
    .. [1] D. G. Thaler, C. V. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates",
       IEEE/ACM Transactions on Networking 6(1), 1998.
    .. [2] C. Schindelhauer, G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.

    Examples
    --------
    >>> from fastblocks import RendezvousHash
    >>> servers = RendezvousHash(["a", "b", "c"])
    >>> servers.get("user:1"), servers.get_n("user:1", 2)
    ('b', ['b', 'a'])
    >>> servers.remove("b")
    >>> servers.get("user:1")
    'a'
    >>> servers.add("big", weight=6)
    >>> index = servers.get_many(range(80_000))
    >>> (index == servers.nodes.index("big")).mean().round(2).item()
    0.75
    """

    def __init__(self, nodes, weights=None, *, seed=0):
        self.begin_init()
        cdef uint64_t seed_ = seed64(seed)
        given = node_list(nodes, weights)
        with self.whole:
            self.begin_init()  # another thread may have been quicker
            self._seed = seed_
            self.begin(given)

    # ---- changes ----------------------------------------------------------------------------

    def add(self, node, weight=1.0):
        """Add a node: keys move only to it.

        Parameters
        ----------
        node : str
            Its name, 1 to 4096 bytes of UTF-8.
        weight : float, default 1.0
            Above 0.

        Raises
        ------
        TypeError
            If an argument is of another type.
        ValueError
            If the node is there already, or an argument is out of range.
        OSError
            If the object was opened from a file.
        """
        self.check_writable("add")
        new = Node(node_name(node), checked_weight(weight))
        with self.whole:
            self.add_node(new)

    def remove(self, node):
        """Remove a node: only its keys move, each to the node that was its second.

        Parameters
        ----------
        node : str
            Its name.

        Raises
        ------
        UnknownNodeError
            If it is not there: a `KeyError` and a `ValueError`.
        TypeError
            If it is no ``str``.
        OSError
            If the object was opened from a file.
        """
        self.check_writable("remove")
        with self.whole:
            self.remove_node(node)

    # ---- state ------------------------------------------------------------------------------

    cdef Table build(self, list nodes, Table old):
        cdef RendezvousTable table = RendezvousTable.__new__(RendezvousTable)
        cdef uint32_t i
        cdef bytes name
        cdef const uint8_t *data
        table.name(nodes)
        check_status(fb_rendezvous_make(&table.costs, table.n), f"{table.n} nodes")
        for i, weight in enumerate(scaled_weights(nodes)):
            name = (<str>table.names[i]).encode()
            data = name
            fb_rendezvous_set(&table.costs, i, data, len(name), self._seed, weight)
        return table

    cdef tuple parameters(self):
        return ("seed", self._seed),

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        if not params_end_at(state, 1):
            return False
        self._seed = state.params[0]
        return True


fb_cpu_level()
