"""Objects whose whole state is one flat run of bytes: memory, files, copies."""

import copy as copying
import threading

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy, memset

from fastblocks._core import errors, files

from fastblocks._core.state cimport (
    FB_STATE_HEADER, fb_state_set_live, new_state, payload_of, read_state, seal_state,
)

cdef extern from "memory.h" nogil:
    void *fb_alloc_zeroed(size_t size)
    void fb_free_zeroed(void *p)
    void fb_copy_shared(void *into, const void *source, size_t size)


cdef class _OwnedLock:
    """A lock that knows its owner: who holds it and wants it again gets an error, and does not wait.

    That can happen without anybody's fault: collecting garbage, which any allocation may start, can run a
    finalizer that uses the very object that is at work.
    """
    cdef object lock
    cdef unsigned long owner  # 0: nobody

    def __cinit__(self):
        self.lock = threading.Lock()

    def acquire(self):
        cdef unsigned long me = PyThread_get_thread_ident()
        if self.owner == me:
            raise RuntimeError("this object is at work already, further down on this thread's stack")
        self.lock.acquire()
        self.owner = me

    def release(self):
        self.owner = 0
        self.lock.release()

    def __enter__(self):
        self.acquire()

    def __exit__(self, *raised):
        self.release()


@cython.no_gc_clear  # the mapping must outlive the buffer taken from it
cdef class Flat:
    def __cinit__(self, *args, **kwargs):
        self.whole = _OwnedLock()

    def __dealloc__(self):
        self.release()

    # ---- for users --------------------------------------------------------------------------

    @property
    def nbytes(self):
        """Bytes of memory, or of mapped file, that the object's data take."""
        return self.size

    def __sizeof__(self):
        return object.__sizeof__(self) + (self.size if self.owned else 0)

    def copy(self):
        """Return an equal object of its own, in memory (also if this one is mapped).

        Returns
        -------
        type of self
        """
        cdef Flat result = fresh(type(self))
        cdef fb_state_t state
        with self.whole:
            self.begin_writing()  # so that no scalar method changes what is being read
            try:
                state = describe_flat(self)
                result.allocate(<size_t>state.payload_bytes)
                self.gather(result.payload)
            finally:
                self.end_writing()
        if not result.adopt(&state):
            raise errors.status("STATE_PARAMS", type(self).__name__)
        result.settle(type(self).__name__)
        attributes = getattr(self, "__dict__", None)  # that a subclass in Python has put there
        if attributes:
            result.__dict__.update(attributes)
        return result

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        result = self.copy()
        attributes = getattr(self, "__dict__", None)
        if attributes:
            result.__dict__.update(copying.deepcopy(attributes, memo))
        return result

    def __reduce__(self):
        return type(self).from_bytes, (self.to_bytes(),), getattr(self, "__dict__", None) or None

    def to_bytes(self):
        """Return the object as bytes: parameters, data and checksums.

        Returns
        -------
        bytes
            The same on every platform; read by ``from_bytes``, and by ``open`` from a file.
        """
        cdef fb_state_t state
        cdef bytes data
        with self.whole:
            self.begin_writing()
            try:
                state = describe_flat(self)
                data = new_state(&state)
                self.gather(payload_of(data))
            finally:
                self.end_writing()
        seal_state(&state, data)
        return data

    @classmethod
    def from_bytes(cls, data):
        """Make an object from what ``to_bytes`` gave, in this process or any other.

        Parameters
        ----------
        data : bytes-like

        Returns
        -------
        cls

        Raises
        ------
        TypeError
            If `data` is not bytes-like.
        ValueError
            If `data` is truncated, corrupt, or something else.
        """
        cdef Flat result = fresh(cls)
        result.load(data)
        return result

    def save(self, path):
        """Write the object to a file, which is replaced atomically.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        OSError
            If the file cannot be written; what was there before is unchanged.

        Notes
        -----
        Who has the old file mapped, this object included, stays with the old one: open it anew.
        """
        files.replace_file(path, [self.to_bytes()])

    @classmethod
    def open(cls, path, mode="r", *, verify=True):
        """Map a saved object into memory, shared with every other process that opens it.

        Parameters
        ----------
        path : str or os.PathLike
        mode : {"r", "r+"}
            ``"r"`` to look up; ``"r+"`` to change it too, which every process that has it open
            sees. How many may have it open with ``"r+"`` at once, the class tells.
        verify : bool, default True
            Whether to check the data against their checksum, which reads the file once. The header
            is checked in any case. A file that was opened with ``"r+"`` has no such checksum until
            it is saved anew, and neither has ``from_bytes`` of its bytes.

        Returns
        -------
        cls
            Mapped for as long as it lives. The file must not be truncated meanwhile.

        Raises
        ------
        OSError
            If the file is missing or may not be opened so; `BlockingIOError` if another process
            has it open with ``"r+"`` and the class allows one.
        ValueError
            If it is truncated, corrupt, or something else; if `mode` is neither, or the class
            does not allow it.
        """
        cdef Flat result = fresh(cls)
        result.map(path, mode, verify)
        return result

    def flush(self):
        """Wait until what was added to a mapped file is on disk; nothing to do otherwise.

        Raises
        ------
        OSError
            If the system could not write it.
        """
        if self.mapping is not None and self.writable:
            self.mapping.flush()

    def __repr__(self):
        words = ", ".join([f"{name}={value!r}" for name, value in self.parameters()])
        return f"{type(self).__name__}({words})"

    # ---- for derived classes ------------------------------------------------------------------

    cdef tuple parameters(self):
        return ()

    cdef int describe(self, fb_state_t *state) except -1:
        raise TypeError(f"{type(self).__name__} cannot be made on its own")

    cdef bint adopt(self, const fb_state_t *state) except -1:
        return False

    cdef int attach(self) except -1:
        return 0

    cdef bint admit(self) except -1:
        return True

    cdef size_t gathered(self) except? 0xC7A3:
        return self.size

    cdef int gather(self, void *into) except -1:
        with nogil:
            fb_copy_shared(into, self.payload, self.size)
        return 0

    cdef int check_same(self, object other, type cls) except -1:
        if not isinstance(other, cls):
            raise errors.not_a("other", cls, other)
        difference = self.differing(other)
        if difference is not None:
            raise errors.unequal(*difference)
        return 0

    cdef tuple differing(self, Flat other):
        cdef fb_state_t ours = describe_flat(self), theirs = describe_flat(other)
        for (name, mine), (_, others) in zip(self.parameters(), other.parameters()):
            if mine != others:
                return name, mine, others
        if memcmp(ours.params, theirs.params, sizeof(ours.params)) != 0:
            return "layout", tuple(ours.params), tuple(theirs.params)
        return None

    cdef int begin_init(self) except -1:
        if self.made:
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")
        if self.writers:
            raise RuntimeError(f"this {type(self).__name__} is in use already")
        return 0

    cdef int allocate(self, size_t size) except -1:
        self.begin_init()  # again: checking the arguments may have run anything
        cdef void *memory = fb_alloc_zeroed(size)
        if memory == NULL:
            raise MemoryError(f"cannot allocate {size} bytes")
        self.release()
        self.payload = memory
        self.size = size
        self.owned = self.writable = True
        return self.attach()

    cdef int load(self, object data) except -1:
        cdef Py_buffer view
        cdef fb_state_t state
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            state = check_state(self, &view, True, type(self).__name__)
            self.allocate(<size_t>state.payload_bytes)
            memcpy(self.payload, <const uint8_t *>view.buf + FB_STATE_HEADER, self.size)
        finally:
            PyBuffer_Release(&view)
        return self.settle(type(self).__name__)

    cdef int map(self, object path, object mode, bint verify) except -1:
        cdef bint writable = files.open_mode(mode)
        cdef Py_buffer view
        cdef fb_state_t state
        cdef str name = files.path_of(path)
        if writable and self.file_use == NO_WRITER:
            raise errors.unchangeable(type(self))
        mapping = files.map_file(name, writable, self.file_use == ONE_WRITER)
        PyObject_GetBuffer(mapping, &view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        try:
            state = check_state(self, &view, verify, name)
        except BaseException:
            PyBuffer_Release(&view)
            raise
        self.release()
        self.mapping = mapping
        self.view = view
        self.payload = <uint8_t *>view.buf + FB_STATE_HEADER
        self.size = <size_t>state.payload_bytes
        self.owned = False
        self.writable = writable
        self.settle(name)
        if writable:
            fb_state_set_live(<uint8_t *>view.buf)
        return 0

    cdef int settle(self, str what) except -1:
        """Take the payload's contents over, once the parameters are known."""
        self.attach()
        if not self.admit():
            raise errors.status("STATE_PARAMS", what)
        self.made = True
        return 0

    cdef int check_writable(self, str method) except -1:
        if not self.writable:
            if self.file_use == NO_WRITER:
                raise errors.read_only_for_good(method)
            raise errors.read_only(method)
        return 0

    # A writer that gives up the GIL says so, and scalar methods then use atomic operations too.
    # Without a GIL they always do, and there is nothing to say.
    cdef void begin_writing(self) noexcept:
        if FB_HAVE_GIL:
            self.writers += 1

    cdef void end_writing(self) noexcept:
        if FB_HAVE_GIL:
            self.writers -= 1

    cdef void release(self) noexcept:
        """Let go of the payload."""
        if self.owned:
            fb_free_zeroed(self.payload)
            self.owned = False
        if self.mapping is not None:
            PyBuffer_Release(&self.view)
            self.mapping = None
        self.payload = NULL


cdef Flat fresh(type cls):
    """A new object of a class, which may be a subclass with a `__new__` of its own."""
    made = cls.__new__(cls)
    if type(made) is not cls or (<Flat>made).made:
        raise TypeError(f"{cls.__name__}.__new__ must return a new {cls.__name__}")
    return <Flat>made


cdef fb_state_t describe_flat(Flat flat) except *:
    cdef fb_state_t state
    memset(&state, 0, sizeof(state))
    flat.describe(&state)
    state.payload_bytes = flat.gathered()
    return state


cdef fb_state_t check_state(Flat flat, const Py_buffer *view, bint verify, str what) except *:
    """Check serialised bytes and let `flat` take over their parameters."""
    cdef fb_state_t state = describe_flat(flat)
    read_state(<const uint8_t *>view.buf, <size_t>view.len, verify, &state, what)
    if not flat.adopt(&state):
        raise errors.status("STATE_PARAMS", what)
    return state
