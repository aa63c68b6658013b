"""Maps from keys to nodes."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastblocks._core import check, errors
from fastblocks._core.nodes import pack_nodes, position, unpack_nodes

from fastblocks._core.arrays cimport data_of, delivered
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport NO_WRITER
from fastblocks._core.keys cimport (
    RELEASE_GIL_FROM, KeyBatch, hash_key, hash_key_by, key_batch,
)
from fastblocks._core.status cimport check_status


cdef class Table:
    cdef int name(self, object nodes) except -1:
        self.nodes = tuple(nodes)
        self.names = tuple([node.name for node in self.nodes])
        self.n = <uint32_t>len(self.nodes)
        return 0

    cdef uint32_t find(self, uint64_t h) noexcept nogil:
        return 0

    cdef void find_keys(self, fb_keys_cursor_t keys, uint64_t seed, const fb_hasher_t *hasher,
                        int32_t *out) noexcept nogil:
        pass

    cdef fb_status_t rank(self, uint64_t h, uint32_t want, uint32_t *out) noexcept nogil:
        return <fb_status_t>0

    cdef size_t memory(self) noexcept:
        return 0


cdef class NodeMap(Flat):
    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self.table = Table.__new__(Table)
        self.table.name(())
        self.allocate(8)

    # ---- keys -------------------------------------------------------------------------------

    def get(self, key):
        """Return the node of a key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        str

        Raises
        ------
        LookupError
            If there are no nodes.
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        cdef Table table = self.current()
        cdef uint64_t h = self.hash_of(key)
        if table.n == 0:
            raise errors.no_nodes(type(self))
        return <object>PyTuple_GET_ITEM(table.names, table.find(h))

    def get_index(self, key):
        """Return the index in `nodes` of the node of a key.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int

        Raises
        ------
        LookupError
            If there are no nodes.
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        """
        cdef Table table = self.current()
        cdef uint64_t h = self.hash_of(key)
        if table.n == 0:
            raise errors.no_nodes(type(self))
        return table.find(h)

    def get_n(self, key, n):
        """Return the first n nodes of a key, the one that `get` returns first: its replicas.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int
        n : int
            0 or more. If there are fewer nodes, all are returned.

        Returns
        -------
        list of str
            Distinct, in order of preference.

        Raises
        ------
        LookupError
            If there are no nodes.
        TypeError, OverflowError, UnicodeEncodeError
            If it is no key.
        ValueError
            If `n` is below 0.
        """
        cdef Table table = self.current()
        cdef uint64_t h = self.hash_of(key)
        cdef Py_ssize_t want = min(check.integer("n", n, 0, 2**63 - 1), table.n)
        if table.n == 0:
            raise errors.no_nodes(type(self))
        return self.ranked(table, h, want)

    def get_many(self, keys, out=None):
        """Return the node of every key of a batch, as indices into `nodes`.

        Parameters
        ----------
        keys : array or iterable of keys, shape (n,)
            A NumPy array of integers, ``S`` or ``U`` strings; an Arrow array or chunked array of
            integers, strings or binary (anything with ``__arrow_c_array__`` or
            ``__arrow_c_stream__``); a pandas Series; or any iterable of keys.
        out : ndarray of int32, shape (n,), optional
            Where to write the answers; C-contiguous and writable.

        Returns
        -------
        ndarray of int32, shape (n,)
            ``np.take(nodes, result)`` are the names. `nodes` is as it was when the keys had been read:
            where other threads change the nodes, take a `copy` first and ask that.

        Raises
        ------
        LookupError
            If there are no nodes, and there is a key.
        TypeError, OverflowError, UnicodeEncodeError
            If `keys` is not such a batch, or holds something that is no key.
        ValueError
            If `keys` has a null or is not 1-D, or `out` does not fit; it is unchanged then.
        """
        cdef KeyBatch batch = key_batch(keys, self._seed, False, self.hasher)
        cdef Table table = self.current()
        result = batch.result_array(out, "int32")
        if batch.n and table.n == 0:
            raise errors.no_nodes(type(self))
        cdef int32_t *answers = <int32_t *>data_of(result)
        if batch.n < RELEASE_GIL_FROM:
            table.find_keys(batch.cursor(), self._seed, self.hasher, answers)
        else:
            with nogil:
                table.find_keys(batch.cursor(), self._seed, self.hasher, answers)
        return delivered(result, out)

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def nodes(self):
        """The names of the nodes, in the order in which they were given and added."""
        return self.current().names

    @property
    def weights(self):
        """The weight of every node, by name."""
        return {node.name: node.weight for node in self.current().nodes}

    @property
    def seed(self):
        """Of the hash."""
        return self._seed

    @property
    def nbytes(self):
        """Bytes of memory that lookups go to."""
        return self.current().memory()

    def __sizeof__(self):
        return super().__sizeof__() + self.current().memory()

    def __len__(self):
        return self.current().n

    def __contains__(self, node):
        return node in self.current().names

    def __eq__(self, other):
        if type(self) is not type(other) and not isinstance(other, type(self)):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None

    def __repr__(self):
        words = ", ".join([f"{name}={value!r}" for name, value in self.parameters()])
        return f"{type(self).__name__}({len(self)} nodes, {words})"

    # ---- for derived classes ----------------------------------------------------------------

    cdef Table current(self):
        cdef Table table
        with cython.critical_section(self):
            table = self.table
        return table

    cdef int replace(self, Table table) except -1:
        with cython.critical_section(self):
            self.table = table
        self.made = True
        return 0

    cdef uint64_t hash_of(self, object key) except? 0xC7A3:
        return hash_key(key, self._seed) if self.hasher == NULL else hash_key_by(key, self.hasher)

    cdef list ranked(self, Table table, uint64_t h, Py_ssize_t want):
        cdef uint32_t *found = <uint32_t *>malloc((want + 1) * sizeof(uint32_t))
        cdef Py_ssize_t i
        if found == NULL:
            raise MemoryError()
        try:
            check_status(table.rank(h, <uint32_t>want, found), f"{want} nodes")
            return [<object>PyTuple_GET_ITEM(table.names, found[i]) for i in range(want)]
        finally:
            free(found)

    cdef int begin(self, list nodes) except -1:
        return self.replace(self.build(nodes, None))

    cdef int add_node(self, object node) except -1:
        """To be called with `whole`."""
        cdef Table old = self.current()
        if node.name in old.names:
            raise ValueError(f"node {node.name!r} is there already")
        return self.replace(self.build([*old.nodes, node], old))

    cdef object remove_node(self, object name):
        """To be called with `whole`."""
        cdef Table old = self.current()
        cdef Py_ssize_t at = position(old.names, name)
        self.replace(self.build([*old.nodes[:at], *old.nodes[at + 1:]], old))

    cdef Table build(self, list nodes, Table old):
        raise TypeError(f"{type(self).__name__} cannot be made on its own")

    cdef bytes extra(self):
        return b""

    cdef bint take_extra(self, bytes data) except -1:
        return not data

    # ---- state ------------------------------------------------------------------------------

    cdef size_t gathered(self) except? 0xC7A3:
        return len(pack_nodes(self.table.nodes)) + len(self.extra())

    cdef int gather(self, void *into) except -1:
        cdef bytes data = pack_nodes(self.table.nodes) + self.extra()
        memcpy(into, PyBytes_AS_STRING(data), len(data))
        return 0

    cdef bint admit(self) except -1:
        cdef bytes data = PyBytes_FromStringAndSize(<const char *>self.payload, self.size)
        unpacked = unpack_nodes(data)
        if unpacked is None:
            return False
        nodes, end = unpacked
        try:
            self.replace(self.build(nodes, None))
        except ValueError:  # more than can be built
            return False
        return self.take_extra(data[end:])


fb_cpu_level()
