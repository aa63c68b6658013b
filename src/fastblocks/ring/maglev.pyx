"""Maglev hashing."""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastblocks._core import check
from fastblocks._core.nodes import Node, checked_weight, node_list, node_name

from fastblocks._core.arrays cimport data_of, out_array
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport fb_hasher_t, fb_keys_cursor_t, hash_key, seed64
from fastblocks._core.state cimport FB_STATE_FOURCC, fb_state_t, params_end_at
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.ring._nodes cimport NodeMap, Table

cdef extern from "ring/maglev.h" nogil:
    enum:
        FB_MAGLEV_MAX_SIZE
    ctypedef struct fb_maglev_node_t:
        uint64_t first
        uint64_t second
        double weight
        int32_t index
    fb_status_t fb_maglev_fill(const fb_maglev_node_t *nodes, uint32_t n, uint32_t size,
                               int32_t *entries)
    uint32_t fb_maglev_at(uint64_t h, uint32_t size)
    void fb_maglev_find_keys(const int32_t *entries, uint32_t size, fb_keys_cursor_t keys,
                             uint64_t seed, int32_t *out)
    fb_status_t fb_maglev_rank(const int32_t *entries, uint32_t size, uint32_t n, uint64_t h,
                               uint32_t want, uint32_t *out)
    void fb_maglev_count(const int32_t *entries, uint32_t size, uint32_t n, uint32_t *counts)
    uint32_t fb_maglev_changed(const int32_t *old_entries, const int32_t *new_entries,
                               uint32_t size, const int32_t *new_index)

cdef uint32_t KIND = FB_STATE_FOURCC(c"M", c"G", c"L", c"V")
cdef enum:
    VERSION = 1
    DEFAULT_SIZE = 65537


cdef class Entries(Table):
    cdef int32_t *entries  # NULL if there are no nodes
    cdef uint32_t size

    def __dealloc__(self):
        free(self.entries)

    cdef int fill(self, uint32_t size, uint64_t seed) except -1:
        cdef fb_status_t status
        cdef uint32_t turn
        cdef fb_maglev_node_t *nodes = <fb_maglev_node_t *>malloc(self.n * sizeof(fb_maglev_node_t))
        self.entries = <int32_t *>malloc(size * sizeof(int32_t))
        self.size = size
        try:
            if nodes == NULL or self.entries == NULL:
                raise MemoryError(f"cannot allocate a table of {size} entries")
            for turn, i in enumerate(sorted(range(self.n), key=self.names.__getitem__)):
                nodes[turn].first = hash_key(self.names[i], seed + 1)
                nodes[turn].second = hash_key(self.names[i], seed + 2)
                nodes[turn].weight = self.nodes[i].weight
                nodes[turn].index = i
            with nogil:
                status = fb_maglev_fill(nodes, self.n, size, self.entries)
            return check_status(status, f"a table of {size} entries")
        finally:
            free(nodes)

    cdef uint32_t find(self, uint64_t h) noexcept nogil:
        return <uint32_t>self.entries[fb_maglev_at(h, self.size)]

    cdef void find_keys(self, fb_keys_cursor_t keys, uint64_t seed, const fb_hasher_t *hasher,
                        int32_t *out) noexcept nogil:
        fb_maglev_find_keys(self.entries, self.size, keys, seed, out)

    cdef fb_status_t rank(self, uint64_t h, uint32_t want, uint32_t *out) noexcept nogil:
        return fb_maglev_rank(self.entries, self.size, self.n, h, want, out)

    cdef size_t memory(self) noexcept:
        return self.size * sizeof(int32_t)


cdef double changed(Table old, Table new) except -1:
    """The share of entries whose node is another one, by name."""
    if old.n == 0 or new.n == 0:
        return 0.0 if old.n == new.n else 1.0
    cdef Entries before = old, after = new
    cdef uint32_t i, count
    cdef int32_t *new_index = <int32_t *>malloc(old.n * sizeof(int32_t))
    if new_index == NULL:
        raise MemoryError()
    try:
        index = {name: i for i, name in enumerate(new.names)}
        for i, name in enumerate(old.names):
            new_index[i] = index.get(name, -1)
        with nogil:
            count = fb_maglev_changed(before.entries, after.entries, before.size, new_index)
    finally:
        free(new_index)
    return <double>count / before.size


cdef class MaglevTable(NodeMap):
    """MaglevTable(nodes, weights=None, table_size=65537, *, seed=0)\n--\n\n\
    A map from keys to nodes by a table in which every node has its share of the entries, exactly.

    A key's hash leads to an entry, the entry tells the node: no map answers faster, and none is more even.
    When a node comes or goes, nearly only the entries change that must; a few of the others do too.

    Parameters
    ----------
    nodes : iterable of str or (str, float), or mapping of str to float
        Their names, or names with weights. Their order does not matter for which key goes where.
    weights : mapping of str to float, or iterable of float, optional
        By name (1 for those that are missing), or as many as there are nodes.
    table_size : int, default 65537
        Number of entries: a prime from 2 to 134,217,689, and no less than there are nodes. 100 times
        the number of nodes or more is good; the more, the fewer entries change needlessly.
    seed : int, default 0
        Of the hashes, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random and
        keep it secret; saved tables hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a node is there twice, or its name is empty or longer than 4096 bytes; if a weight is not above
        0 and finite; if `table_size` is not such a prime, or there are more nodes than entries.
    MemoryError
        If there is not enough memory.

    Notes
    -----
    `get` is O(length of the key) and reads one entry; an entry takes 4 bytes. Making a table is
    O(table_size log table_size), and is done without the GIL; adding or removing a node makes a new
    one.

    A node of weight w is due ``table_size * w / sum(weights)`` entries, and has so many, rounded down
    or up. A node that is due less than one entry may have none: no key goes there, and `get_n` names it
    last.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (as 8 bytes). The same nodes, size and seed give the same answers on every
    platform and in every process.

    Threads: any number may look up, without a lock, while another changes the nodes; each lookup, and
    each batch, is answered by one table, the old or the new one.

    References
    ----------
    .. [1] D. E. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI
       2016, section 3.4.

    Examples
    --------
    >>> from fastblocks import MaglevTable
    >>> backends = MaglevTable(["a", "b", "c"], table_size=997)
    >>> backends.get("user:1")
    'b'
    >>> backends.loads
    {'a': 333, 'b': 332, 'c': 332}
    >>> round(backends.remove("b"), 2)  # a third of them, and hardly more
    0.34
    >>> backends
    MaglevTable(2 nodes, table_size=997, seed=0)
    """

    cdef uint32_t entries

    def __cinit__(self, *args, **kwargs):
        self.entries = DEFAULT_SIZE

    def __init__(self, nodes, weights=None, table_size=DEFAULT_SIZE, *, seed=0):
        self.begin_init()
        cdef list listed = node_list(nodes, weights)
        cdef uint32_t entries = check.prime("table_size", table_size, 2, FB_MAGLEV_MAX_SIZE)
        cdef uint64_t seed_ = seed64(seed)
        with self.whole:  # the size too is set by one thread only: lookups rely on it
            self.begin_init()
            self.entries = entries
            self._seed = seed_
            self.begin(listed)

    # ---- changes ----------------------------------------------------------------------------

    def add(self, node, weight=1):
        """Add a node.

        Parameters
        ----------
        node : str
        weight : float, default 1

        Returns
        -------
        float
            The share of the entries whose node has changed: 0 to 1.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If the node is there already, if its name or weight is no good, or if there is no entry left
            for it.
        OSError
            If the table was opened from a file.
        """
        self.check_writable("add")
        added = Node(node_name(node), checked_weight(weight))
        with self.whole:
            old = self.current()
            self.add_node(added)
            return changed(old, self.current())

    def remove(self, node):
        """Remove a node.

        Parameters
        ----------
        node : str

        Returns
        -------
        float
            The share of the entries whose node has changed: 0 to 1.

        Raises
        ------
        TypeError
            If it is no str.
        UnknownNodeError
            If it is not there.
        OSError
            If the table was opened from a file.
        """
        self.check_writable("remove")
        with self.whole:
            old = self.current()
            self.remove_node(node)
            return changed(old, self.current())

    def rebuild(self, nodes, weights=None):
        """Put other nodes in the place of those that are there: some come, some go, weights change.

        Parameters
        ----------
        nodes : iterable of str or (str, float), or mapping of str to float
        weights : mapping of str to float, or iterable of float, optional
            As for the constructor.

        Returns
        -------
        float
            The share of the entries whose node has changed, by name: 0 to 1. From no nodes to some, and
            from some to none, it is 1.

        Raises
        ------
        TypeError, ValueError
            As from the constructor. Nothing has changed then.
        OSError
            If the table was opened from a file.
        """
        self.check_writable("rebuild")
        cdef list listed = node_list(nodes, weights)
        with self.whole:
            old = self.current()
            self.replace(self.build(listed, old))
            return changed(old, self.current())

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def table_size(self):
        """Number of entries."""
        return self.entries

    @property
    def table(self):
        """The entries, as indices into `nodes`: a copy, int32 and read-only; -1 if there are no nodes.

        The entry of a key whose hash is h is that at ``h * table_size // 2**64``.
        """
        cdef Table table = self.current()
        cdef size_t size = self.entries
        result = out_array(None, size, "int32")
        if table.n == 0:
            memset(data_of(result), 0xFF, size * sizeof(int32_t))
        else:
            memcpy(data_of(result), (<Entries>table).entries, size * sizeof(int32_t))
        result.flags.writeable = False
        return result

    @property
    def loads(self):
        """Number of entries of every node, by name."""
        cdef Table table = self.current()
        if table.n == 0:
            return {}
        cdef uint32_t *counts = <uint32_t *>malloc(table.n * sizeof(uint32_t))
        if counts == NULL:
            raise MemoryError()
        try:
            fb_maglev_count((<Entries>table).entries, self.entries, table.n, counts)
            return {name: counts[i] for i, name in enumerate(table.names)}
        finally:
            free(counts)

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return ("table_size", self.entries), ("seed", self._seed)

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = self.entries
        state.params[1] = self._seed
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        if (
            state.params[0] > FB_MAGLEV_MAX_SIZE
            or not check.is_prime(state.params[0])
            or not params_end_at(state, 2)
        ):
            return False
        self.entries = <uint32_t>state.params[0]
        self._seed = state.params[1]
        return True

    # ---- within -----------------------------------------------------------------------------

    cdef Table build(self, list nodes, Table old):
        cdef Entries table = Entries.__new__(Entries)
        if len(nodes) > self.entries:
            raise ValueError(
                f"nodes must be {self.entries} at most, as table_size is, not {len(nodes)}"
            )
        table.name(nodes)
        if table.n:
            table.fill(self.entries, self._seed)
        return table


fb_cpu_level()
