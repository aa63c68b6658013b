"""Hash ring: consistent hashing with virtual nodes, ketama, bounded loads."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport SIZE_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from fastblocks._core import check, errors, rings
from fastblocks._core.loads import Loads
from fastblocks._core.nodes import node_list

from fastblocks._core.arrays cimport data_of, out_array
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport fb_hasher_t, fb_keys_cursor_t, fb_xxh3_64, fb_xxh3_64_u64, plain_key
from fastblocks._core.state cimport (
    FB_STATE_FOURCC, double_of_word, fb_state_t, params_end_at, word_of_double,
)
from fastblocks._core.status cimport check_status, fb_status_t
from fastblocks.ring._nodes cimport NodeMap, Table

cdef extern from "ring/hash_ring.h" nogil:
    ctypedef enum fb_ring_hash_t:
        FB_RING_XXH3
    const uint32_t FB_RING_NONE
    ctypedef struct fb_ring_point_t:
        uint32_t node
    ctypedef struct fb_ring_t:
        fb_ring_point_t *points
        uint64_t *places
        size_t n
        uint32_t n_nodes
        fb_ring_hash_t hash
    ctypedef struct fb_ring_node_t:
        const uint8_t *name
        size_t len
        uint32_t points
        uint32_t had
        uint32_t was
    ctypedef struct fb_ring_arc_t:
        uint64_t first
        uint64_t last
        # C calls it `from`, which no name can be here
        uint32_t source "from"
        uint32_t to
    fb_status_t fb_ring_make(fb_ring_t *ring, fb_ring_hash_t hash, uint64_t seed,
                             const fb_ring_node_t *nodes, uint32_t n_nodes, const fb_ring_t *old)
    void fb_ring_drop(fb_ring_t *ring)
    size_t fb_ring_bytes(const fb_ring_t *ring)
    const fb_hasher_t *fb_ring_hasher(fb_ring_hash_t hash)
    uint32_t fb_ring_find(const fb_ring_t *ring, uint64_t place)
    void fb_ring_find_keys(const fb_ring_t *ring, fb_keys_cursor_t keys, uint64_t seed, int32_t *out)
    size_t fb_ring_rank(const fb_ring_t *ring, uint64_t place, const uint32_t *zones,
                        uint32_t n_zones, uint32_t want, uint32_t *out)
    size_t fb_ring_diff(const fb_ring_t *a, const fb_ring_t *b, const uint32_t *same,
                        fb_ring_arc_t *arcs)

cdef uint32_t KIND = FB_STATE_FOURCC(c"R", c"I", c"N", c"G")
cdef enum:
    VERSION = 1


cdef class Ring(Table):
    """The points of nodes, as they stand between two changes."""

    cdef fb_ring_t ring
    cdef list counts       # points of every node
    cdef uint32_t *zones   # of every node; NULL if there are none
    cdef uint32_t n_zones

    def __dealloc__(self):
        fb_ring_drop(&self.ring)
        free(self.zones)

    cdef uint32_t find(self, uint64_t h) noexcept nogil:
        return fb_ring_find(&self.ring, h)

    cdef void find_keys(self, fb_keys_cursor_t keys, uint64_t seed, const fb_hasher_t *hasher,
                        int32_t *out) noexcept nogil:
        fb_ring_find_keys(&self.ring, keys, seed, out)

    cdef list around(self, uint64_t h, Py_ssize_t want, bint zoned):
        """The first nodes from a place on, by name; fewer than `want` if nodes have no points."""
        cdef uint32_t *found = <uint32_t *>malloc((want + 1) * sizeof(uint32_t))
        cdef const uint32_t *zones = self.zones if zoned else NULL
        cdef size_t i, n
        if found == NULL:
            raise MemoryError()
        try:
            n = fb_ring_rank(&self.ring, h, zones, self.n_zones, <uint32_t>want, found)
            if n == SIZE_MAX:
                raise MemoryError()
            return [self.names[found[i]] for i in range(n)]
        finally:
            free(found)

    cdef size_t memory(self) noexcept:
        return fb_ring_bytes(&self.ring)


cdef Ring new_ring(list nodes, str hash, uint64_t seed, int vnodes, Ring old):
    """A ring of nodes, which takes over what it can of an old one."""
    cdef Ring ring = Ring.__new__(Ring)
    cdef fb_ring_hash_t kind = <fb_ring_hash_t><int>rings.HASHES.index(hash)
    cdef fb_ring_node_t *described
    cdef fb_status_t status
    cdef uint32_t i, n
    cdef list stems = rings.stems(hash, nodes)
    ring.counts = rings.point_counts(hash, vnodes, [node.weight for node in nodes])
    ring.name(nodes)
    n = ring.n
    was = {} if old is None else {name: i for i, name in enumerate(old.names)}
    described = <fb_ring_node_t *>malloc((n + 1) * sizeof(fb_ring_node_t))
    if described == NULL:
        raise MemoryError()
    try:
        for i in range(n):
            described[i].name = <const uint8_t *>PyBytes_AS_STRING(stems[i])
            described[i].len = PyBytes_GET_SIZE(stems[i])
            described[i].points = ring.counts[i]
            at = was.get(ring.names[i])
            described[i].was = FB_RING_NONE if at is None else at
            described[i].had = 0 if at is None else old.counts[at]
        with nogil:
            status = fb_ring_make(
                &ring.ring, kind, seed, described, n, NULL if old is None else &old.ring
            )
        check_status(status, f"{n} nodes with vnodes={vnodes}")
    finally:
        free(described)
    numbers = rings.zone_numbers(nodes)
    if numbers is not None:
        ring.zones = <uint32_t *>malloc(n * sizeof(uint32_t))
        if ring.zones == NULL:
            raise MemoryError()
        for i in range(n):
            ring.zones[i] = numbers[i]
        ring.n_zones = max(numbers) + 1
    return ring


cdef class HashRing(NodeMap):
    """HashRing(nodes=(), *, weights=None, vnodes=160, hash="xxh3", load_factor=None, zones=None, \
seed=0)\n--\n\n\
    Consistent hashing: every key has a node, and a change of nodes moves only the keys it must.

    Every node owns `vnodes` points on a ring of 64-bit hashes; a key belongs to the node of the first
    point from its own hash on. A node that comes takes its share from all others; one that goes leaves
    its keys to all others; no key moves between nodes that stay.

    Parameters
    ----------
    nodes : iterable of str or (str, weight), or mapping of str to weight; default none
        Names of 1 to 4096 bytes of UTF-8, each once.
    weights : mapping of str to float, or sequence of float, optional
        By node (1 where a node is missing), or one for each; above 0 and finite. A node's share of
        the keys is in proportion to its weight.
    vnodes : int, default 160
        Points of a node of weight 1, in ``[1, 2**20]``; at most 2**28 in all. With n nodes of equal
        weight the largest share is about ``1 + sqrt(2 * ln(n) / vnodes)`` times the mean.
    hash : {"xxh3", "ketama", "libmemcached"}, default "xxh3"
        How points and keys are placed. ``"ketama"`` is uhashring's: every point and every key lies as
        it has them. ``"libmemcached"`` is that library's weighted ketama, which differs from it where
        the two disagree: in its count of points, which is a few less, and in node names, which lose
        a final ``":11211"``. Both are there to agree with other programs; the default is balanced
        alike and several times as fast.
    load_factor : float, optional
        In ``[1, 1e9)``: allow `assign` and `release`, and let no node have more than
        ``ceil(load_factor * keys * weight / sum of weights)`` of the keys that are assigned. 1.25 is a
        usual value.
    zones : mapping of str to str, optional
        The zone (rack, region) of every node: `get_n` then spreads replicas over zones first.
    seed : int, default 0
        Of ``"xxh3"``, in ``[0, 2**64)``. If keys may come from an adversary, choose it at random, and
        keep it secret; saved rings hold it.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a node is there twice, a weight is not above 0 or not finite, a node is given a weight or
        zone but is not there, or an argument is out of range.

    Notes
    -----
    `get` is O(length of the key), whatever the number of nodes: a table of the hash's high bits tells
    where to look. `add` and `remove` hash the points of that node alone, and copy the others: O(points).
    Memory is 16 bytes a point, and 2 to 4 for the table. With `load_factor`, keys that are assigned are
    kept until they are released, some 300 bytes each.

    With ``"ketama"`` and ``"libmemcached"`` the points of all nodes depend on the sum of the weights, so
    that a change of nodes of unequal weights can move a few more keys than it must; there a node whose
    weight is below 1/40 of the mean has no points. An ``int`` key is hashed as its decimal text, so that
    ``5`` and ``"5"`` are one key.

    Keys are ``str`` (as UTF-8), ``bytes``, ``bytearray``, ``memoryview`` or ``int`` in
    ``[-2**63, 2**64)`` (with ``"xxh3"`` as 8 bytes, so that ``-1`` and ``2**64 - 1`` are one key; ``"a"``
    and ``b"a"`` always are).

    Threads: any number may look up, without a lock, while another changes the nodes: an answer is
    that of the ring before or after the change. Changes wait for each other, as do `assign` and
    `release`.

    References
    ----------
    .. [1] D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997.
    .. [2] V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA
       2018, arXiv:1608.01350.

    Examples
    --------
    >>> from fastblocks import HashRing
    >>> ring = HashRing(["cache-1", "cache-2", ("cache-3", 2)])
    >>> ring.get("user:17"), ring.get_n("user:17", 2)
    ('cache-2', ['cache-2', 'cache-3'])
    >>> ring.get_many(["user:17", "user:18", "user:19"])
    array([1, 0, 2], dtype=int32)
    >>> ring.add("cache-4")
    {}
    >>> ring
    HashRing(4 nodes, vnodes=160, hash='xxh3', load_factor=None, seed=0)
    """

    cdef str _hash
    cdef int _vnodes
    cdef double _load_factor  # 0: none
    cdef object bounded       # Loads, or None

    def __cinit__(self, *args, **kwargs):
        self._hash = "xxh3"
        self._vnodes = 160
        self.table = new_ring([], self._hash, 0, self._vnodes, None)

    def __init__(
        self, nodes=(), *, weights=None, vnodes=160, hash="xxh3", load_factor=None, zones=None, seed=0
    ):
        self.begin_init()
        hash, vnodes = rings.hash_and_vnodes(hash, vnodes)
        seed = rings.ring_seed(hash, seed)
        cdef double factor = 0.0
        if load_factor is not None:
            factor = check.real("load_factor", load_factor, 1.0, rings.MAX_LOAD_FACTOR)
        nodes = node_list(nodes, weights, zones)
        with self.whole:
            self.begin_init()
            self.set_up(hash, vnodes, seed, factor)
            self.begin(nodes)
            self.change_loads()

    cdef int set_up(self, str hash, int vnodes, uint64_t seed, double factor) except -1:
        self._hash = hash
        self._vnodes = vnodes
        self._seed = seed
        self._load_factor = factor
        self.hasher = fb_ring_hasher(<fb_ring_hash_t><int>rings.HASHES.index(hash))
        self.bounded = Loads(factor, hash != "xxh3") if factor else None
        return 0

    # ---- changes ----------------------------------------------------------------------------

    def add(self, node, weight=1, *, zone=None):
        """Add a node. It takes its share of the keys; no other key moves.

        Parameters
        ----------
        node : str
        weight : float, default 1
            Above 0 and finite.
        zone : str, optional
            Its zone; must be given if the others have one, and may not be if they have none.

        Returns
        -------
        dict
            Of the keys that are assigned (with `load_factor`), those that moved, with their node.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If the node is there already, or `weight` or `zone` is not as told.
        io.UnsupportedOperation
            If the ring was opened from a file.

        Notes
        -----
        O(points of all nodes), of which those of `node` alone are hashed; and O(keys that are
        assigned).
        """
        self.check_writable("add")
        new = rings.new_node(node, weight, zone)
        with self.whole:
            rings.check_zone(self.current().nodes, new)
            self.add_node(new)
            return self.change_loads()

    def remove(self, node):
        """Remove a node. Its keys go to the others; no other key moves.

        Parameters
        ----------
        node : str

        Returns
        -------
        dict
            Of the keys that are assigned (with `load_factor`), those that moved, with their node;
            None if no node is left, and they are released.

        Raises
        ------
        TypeError
            If `node` is not a str.
        UnknownNodeError
            A `KeyError` and a `ValueError`: if it is not there.
        io.UnsupportedOperation
            If the ring was opened from a file.

        Notes
        -----
        O(points of all nodes); nothing is hashed, except that with ``hash="ketama"`` and unequal
        weights the others may get points.
        """
        self.check_writable("remove")
        with self.whole:
            self.remove_node(node)
            return self.change_loads()

    cdef list ranked(self, Table table, uint64_t h, Py_ssize_t want):
        return (<Ring>table).around(h, want, True)

    cdef Table build(self, list nodes, Table old):
        return new_ring(nodes, self._hash, self._seed, self._vnodes, <Ring>old)

    # ---- bounded loads ----------------------------------------------------------------------

    def assign(self, key):
        """Assign a key to the first node from its hash on that has room; return that node.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        str
            The same as before if the key is assigned already.

        Raises
        ------
        LookupError
            If there are no nodes.
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If there is no `load_factor`.
        io.UnsupportedOperation
            If the ring was opened from a file.

        Notes
        -----
        With ``load_factor = 1 + e``, O(1 / e**2) nodes are tried on average. No other key moves.

        Examples
        --------
        >>> from fastblocks import HashRing
        >>> ring = HashRing(["a", "b", "c"], load_factor=1.25)
        >>> for i in range(12):
        ...     node = ring.assign(f"session-{i}")
        >>> max(ring.loads.values())  # of ceil(1.25 * 12 / 3)
        5
        """
        key = self.held(key)
        cdef uint64_t h = self.hash_of(key)
        self.check_writable("assign")
        with self.whole:
            loads = self.loads_of()
            if self.table.n == 0:
                raise errors.no_nodes(type(self))
            return loads.assign(key, h, self._names_in_order)

    def release(self, key):
        """Forget a key that is assigned.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        dict
            Keys that moved for that, with their node: with fewer keys a node may hold fewer. On
            average less than `load_factor`.

        Raises
        ------
        KeyError
            If it is not assigned.
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If there is no `load_factor`.
        io.UnsupportedOperation
            If the ring was opened from a file.
        """
        key = self.held(key)
        self.check_writable("release")
        with self.whole:
            return self.loads_of().release(key, self._names_in_order)

    @property
    def loads(self):
        """How many keys are assigned to every node, by name. ValueError without `load_factor`."""
        with self.whole:
            counts = self.loads_of().counts()
            return {name: counts.get(name, 0) for name in self.table.names}

    cdef object held(self, object key):
        """A key as an object that nobody can change while it is waited for the lock."""
        self.hash_of(key)  # raises if it is none
        return plain_key(key)

    cdef object loads_of(self):
        if self.bounded is None:
            raise ValueError("load_factor must be given where keys are to be assigned")
        return self.bounded

    cdef dict change_loads(self):
        cdef Ring ring
        if self.bounded is None:
            return {}
        ring = self.table
        pairs = zip(ring.nodes, ring.counts)
        weights = {node.name: node.weight for node, count in pairs if count}
        return self.bounded.change(weights, self._names_in_order)

    def _names_in_order(self, uint64_t h):
        """The nodes that have points, as they lie from a place on, zones aside."""
        cdef Ring ring = self.table
        cdef Py_ssize_t sent = 0, want = 4
        while True:
            names = ring.around(h, min(want, ring.n), False)
            yield from names[sent:]
            if len(names) < want:
                return
            sent, want = want, 8 * want

    def _place_of(self, key):
        return self.hash_of(key)

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def vnodes(self):
        """Points of a node of weight 1."""
        return self._vnodes

    @property
    def hash(self):
        """How points and keys are placed: ``"xxh3"``, ``"ketama"`` or ``"libmemcached"``."""
        return self._hash

    @property
    def load_factor(self):
        """By how much the load of a node may be above the mean; None if loads are not bounded."""
        return self._load_factor or None

    @property
    def zones(self):
        """The zone of every node, by name; None if there are no zones."""
        zones = {node.name: node.zone for node in self.current().nodes if node.zone is not None}
        return zones or None

    def key_hash(self, key):
        """Return the hash of a key, which ranges of `diff` and `points` are about.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
            In ``[0, 2**64)``; with ``"ketama"`` and ``"libmemcached"`` in ``[0, 2**32)``.

        Raises
        ------
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        cdef uint64_t h = self.hash_of(key)
        return h if self.hasher == NULL else h >> 32

    def points(self):
        """Return where the points lie, in order, and whose they are.

        Returns
        -------
        ndarray of uint64, shape (n,)
            Their hashes, comparable with `key_hash`.
        ndarray of int32, shape (n,)
            Indices into `nodes`.

        Notes
        -----
        A key belongs to the first point whose hash is not below its own; with ``"ketama"``, to the
        first whose hash is above it. Where several points lie at one hash the first has the keys.
        """
        cdef Ring ring = self.current()
        cdef int low = 0 if self.hasher == NULL else 32
        cdef size_t i
        places, nodes = out_array(None, ring.ring.n, "uint64"), out_array(None, ring.ring.n, "int32")
        cdef uint64_t *place = <uint64_t *>data_of(places)
        cdef int32_t *node = <int32_t *>data_of(nodes)
        for i in range(ring.ring.n):
            place[i] = ring.ring.places[i] >> low
            node[i] = <int32_t>ring.ring.points[i].node
        return places, nodes

    def diff(self, other):
        """Return which keys another ring gives to other nodes.

        Parameters
        ----------
        other : HashRing
            With the same `hash` and `seed`.

        Returns
        -------
        RingDiff
            The hash ranges that move, their share, and from which node to which: exact.

        Raises
        ------
        TypeError
            If `other` is no HashRing.
        ValueError
            If its `hash` or `seed` differs.

        Notes
        -----
        O(points of both).

        Examples
        --------
        >>> from fastblocks import HashRing
        >>> diff = HashRing(["a", "b"]).diff(HashRing(["a", "b", "c"]))
        >>> sorted(diff.moves)
        [('a', 'c'), ('b', 'c')]
        >>> {moved.to_node for moved in diff.ranges}
        {'c'}
        """
        cdef Ring ours, theirs
        cdef uint32_t *same
        cdef fb_ring_arc_t *arcs
        cdef size_t i, n
        rings.check_comparable(self, other, HashRing)
        ours, theirs = self.current(), (<HashRing>other).current()
        at = {name: i for i, name in enumerate(ours.names)}
        same = <uint32_t *>malloc((theirs.n + 1) * sizeof(uint32_t))
        arcs = <fb_ring_arc_t *>malloc((ours.ring.n + theirs.ring.n + 1) * sizeof(fb_ring_arc_t))
        try:
            if same == NULL or arcs == NULL:
                raise MemoryError()
            for i in range(theirs.n):
                same[i] = at.get(theirs.names[i], FB_RING_NONE)
            with nogil:
                n = fb_ring_diff(&ours.ring, &theirs.ring, same, arcs)
            moved = [
                (arcs[i].first, arcs[i].last, named(ours, arcs[i].source), named(theirs, arcs[i].to))
                for i in range(n)
            ]
        finally:
            free(same)
            free(arcs)
        return rings.RingDiff(*rings.ranges_of(self._hash, moved))

    # ---- state ------------------------------------------------------------------------------

    cdef tuple parameters(self):
        return (
            ("vnodes", self._vnodes), ("hash", self._hash),
            ("load_factor", self._load_factor or None), ("seed", self._seed),
        )

    cdef int describe(self, fb_state_t *state) except -1:
        state.kind = KIND
        state.version = VERSION
        state.params[0] = rings.HASHES.index(self._hash)
        state.params[1] = self._vnodes
        state.params[2] = self._seed
        state.params[3] = word_of_double(self._load_factor)
        return 0

    cdef bint adopt(self, const fb_state_t *state) except -1:
        cdef double factor = double_of_word(state.params[3])
        if state.params[0] >= <uint64_t>len(rings.HASHES) or not params_end_at(state, 4):
            return False
        if state.params[3] and not 1 <= factor < <double>rings.MAX_LOAD_FACTOR:
            return False
        try:
            hash, vnodes = rings.hash_and_vnodes(rings.HASHES[state.params[0]], state.params[1])
            self.set_up(hash, vnodes, rings.ring_seed(hash, state.params[2]), factor)
        except ValueError:
            return False
        return True

    cdef bytes extra(self):
        return b"" if self.bounded is None else self.bounded.pack(self.table.names)

    cdef bint take_extra(self, bytes data) except -1:
        self.change_loads()
        if self.bounded is None:
            return not data
        return self.bounded.unpack(data, self.table.names, self._place_of)


cdef object named(Ring ring, uint32_t node):
    return None if node == FB_RING_NONE else ring.names[node]


# ---- for compiled code ---------------------------------------------------------------------------


cdef object pin(object ring, const void **state, uint64_t *seed):
    cdef HashRing pinned = ring
    cdef Ring table = pinned.current()
    state[0] = &table.ring
    seed[0] = pinned._seed
    return pinned, table


cdef int64_t node_of_word(const void *state, uint64_t seed, uint64_t word, bint negative) noexcept nogil:
    cdef const fb_ring_t *ring = <const fb_ring_t *>state
    cdef const fb_hasher_t *hasher = fb_ring_hasher(ring.hash)
    if ring.n_nodes == 0:
        return -1
    if hasher == NULL:
        return fb_ring_find(ring, fb_xxh3_64_u64(word, seed))
    return fb_ring_find(ring, hasher.integer(word, negative))


cdef int64_t node_of_bytes(const void *state, uint64_t seed, const uint8_t *data, size_t size) noexcept nogil:
    cdef const fb_ring_t *ring = <const fb_ring_t *>state
    cdef const fb_hasher_t *hasher = fb_ring_hasher(ring.hash)
    if ring.n_nodes == 0:
        return -1
    if hasher == NULL:
        return fb_ring_find(ring, fb_xxh3_64(data, size, seed))
    return fb_ring_find(ring, hasher.bytes(data, size))


fb_cpu_level()
