"""Limits that all processes of a host share."""

import copy as copying

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyObject_GetBuffer
from libc.stdint cimport uint8_t

from fastblocks._core import check, limits, shared

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.flat cimport NO_WRITER
from fastblocks._core.keys cimport RELEASE_GIL_FROM, KeyBatch, fb_keys_cursor_t
from fastblocks._core.state cimport fb_state_t
from fastblocks.limit._local cimport (
    LocalStorage, cbool, fb_limit_rules_t, fb_limit_verdict_t, int64_t, uint64_t,
)

cdef extern from "pyforks.h" nogil:
    unsigned fb_forks
    int fb_watch_forks()
    void fb_close(int handle, uint64_t device, uint64_t number)

cdef extern from "limit/shared.h" nogil:
    enum:
        FB_LIMIT_SHARED_RECORDS
        FB_LIMIT_SHARED_MAX_KEYS
    ctypedef enum fb_limit_outcome_t:
        FB_LIMIT_DENIED
        FB_LIMIT_ALLOWED
        FB_LIMIT_NO_ROOM
        FB_LIMIT_CORRUPT
    ctypedef struct fb_limit_shared_t:
        pass
    uint64_t fb_limit_shared_bytes(const fb_limit_rules_t *rules, uint64_t max_keys)
    void fb_limit_shared_init(fb_limit_shared_t *s, const fb_limit_rules_t *rules, uint64_t max_keys,
                              void *body)
    bint fb_limit_shared_join(fb_limit_shared_t *s, unsigned record)
    fb_limit_outcome_t fb_limit_shared_call(
        fb_limit_shared_t *s, uint64_t h, int64_t now, uint64_t cost, bint spend,
        fb_limit_verdict_t *out, int64_t *opens
    )
    size_t fb_limit_shared_call_keys(
        fb_limit_shared_t *s, fb_keys_cursor_t keys, uint64_t seed, int64_t now,
        const uint64_t *costs, uint64_t cost, bint allow_if_full, bint stop_if_full, cbool *out,
        fb_limit_outcome_t *failure
    )
    bint fb_limit_shared_forget(fb_limit_shared_t *s, uint64_t h)
    void fb_limit_shared_count(const fb_limit_shared_t *s, uint64_t *keys, uint64_t *evicted)

cdef enum:
    DENY = 0
    ALLOW = 1
    RAISE = 2


@cython.no_gc_clear  # the mapping must outlive the buffer taken from it
cdef class SharedMemory(LocalStorage):
    """SharedMemory(name_or_path, max_keys=100_000, *, on_full="deny", seed=None)\n--\n\n\
    Limits that all processes of a host share, through a mapped file: exact, without a server or a lock.

    Every worker process makes one of the same name, strategy and rate, or inherits it by a fork, or gets it
    pickled; then all of them together let exactly the limit pass.

    Parameters
    ----------
    name_or_path : str or os.PathLike
        A bare name, a str without a ``/``, is a file in ``/dev/shm``, or where there is none in the
        folder of temporary files; all else is the path of a file.
    max_keys : int, default 100_000
        How many keys there is to be room for, in ``[1, 2**27]``.
    on_full : {"deny", "allow", "raise"}, default "deny"
        What becomes of a call of a new key that finds only limited keys where it belongs: it is
        denied, allowed (and not counted), or raises `LimiterFullError`.
    seed : int, optional
        Of the hash by which keys are known, in ``[0, 2**64)``. By default that of the file, or of a new
        one a random one.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range or the file has another; if the file is truncated, corrupt, or
        something else. A limiter of another strategy or rate than the file's is refused likewise.
    OSError
        If the file cannot be opened or made; if the system is not Linux.

    Notes
    -----
    The file is made by the first limiter, all at once, for its owner alone (mode 600), and stays until
    `unlink`. One that another boot of the system has left behind is begun afresh, since its times mean
    nothing.

    Lock-free: a process that is killed, at any instruction, blocks nobody and leaves nothing wrong
    behind. At most 512 processes, or objects in these, use a file at once. After a fork the child and
    the parent are different users of it, which needs no doing.

    Keys fall into sets of 32 places, of which 10 are taken when there are `max_keys`; up to 32 keys all
    are in one set. In a set that is full a new key takes the place of one that is not limited, the one
    whose quota is whole soonest. A key that is limited is not forgotten before its time.

    Calls are O(1); with `SlidingWindow` O(limit) if they count, since a log is copied. The file has a fixed size,
    some 80 bytes a key and 51 for each further rate; with `SlidingWindow` 80 and for each rate ``26 *
    limit``. What is never used of it takes no memory.

    Threads: a call is atomic, and a batch one call after the other.

    Examples
    --------
    >>> from fastblocks.limit import FixedWindow, SharedMemory
    >>> with SharedMemory("doctest-of-fastblocks", max_keys=1000) as storage:
    ...     limiter = FixedWindow("3/hour", storage=storage)
    ...     print([limiter.allow("ann") for _ in range(4)], len(storage))
    ...     storage.unlink()
    [True, True, True, False] 1
    """

    cdef fb_limit_shared_t table
    cdef int _on_full
    cdef str _path
    cdef object given_seed
    cdef int handle             # the open file that is mapped: a lock on it makes the record ours
    cdef uint64_t device        # these two say which file it is
    cdef uint64_t number
    cdef unsigned forks         # how often the process had forked when the record became ours
    cdef bint joined
    cdef bint closed

    def __cinit__(self, *args, **kwargs):
        self.file_use = NO_WRITER
        self._max_keys = 1
        self.allocate(8)

    def __dealloc__(self):
        self.leave()

    def __init__(self, name_or_path, max_keys=100_000, *, on_full="deny", seed=None):
        self.begin_init()
        cdef str path = shared.location(name_or_path)
        cdef uint64_t most = check.integer("max_keys", max_keys, 1, FB_LIMIT_SHARED_MAX_KEYS)
        cdef int policy = limits.ON_FULL.index(check.choice("on_full", on_full, limits.ON_FULL))
        given = None if seed is None else check.seed64(seed)
        found = shared.check_existing(path, shared.NATIVE, most, given)
        with self.whole:
            self.begin_init()
            self._path = path
            self._max_keys = most
            self._on_full = policy
            self.given_seed = given
            self._seed = found or given or 0
            self.made = True

    # ---- the file ---------------------------------------------------------------------------------

    cdef int begin(self) except -1:
        cdef uint64_t body = fb_limit_shared_bytes(&self.rules, self._max_keys)
        if body == 0:
            raise ValueError(
                f"max_keys={self._max_keys} with rates of this kind would need a file of more than 64 TiB"
            )
        wanted = shared.Wanted(
            shared.NATIVE, self._max_keys, self.given_seed, self.rules.kind, self.bound_rules(),
            shared.HEAD_BYTES + body,
        )
        mapping, self._seed, handle = shared.attach(self._path, wanted)
        self.join(mapping, handle)
        return 0

    cdef int join(self, object mapping, int handle) except -1:
        """Make a mapped file the payload, under a record of our own."""
        cdef Py_buffer view
        cdef unsigned record
        cdef uint64_t device, number
        device, number = shared.identity(handle)
        try:
            record = shared.take_record(handle, self._path, FB_LIMIT_SHARED_RECORDS)
            PyObject_GetBuffer(mapping, &view, PyBUF_WRITABLE)
        except BaseException:
            fb_close(handle, device, number)
            raise
        self.leave()
        self.mapping = mapping
        self.view = view
        self.payload = view.buf
        self.size = <size_t>view.len
        self.writable = True
        self.handle = handle
        self.device = device
        self.number = number
        self.forks = fb_forks
        fb_limit_shared_init(
            &self.table, &self.rules, self._max_keys, <uint8_t *>view.buf + <size_t>shared.HEAD_BYTES
        )
        self.joined = fb_limit_shared_join(&self.table, record)
        if not self.joined:
            raise self.corrupt()
        return 0

    cdef int rejoin(self) except -1:
        """In the child of a fork: the record is the parent's; take another."""
        self.whole = type(self.whole)()  # the parent's may be held by a thread that is not here
        self.writers = 0
        known = self.device, self.number
        mapping, handle = shared.reopen(self.handle, self._path, known)
        return self.join(mapping, handle)

    cdef void leave(self) noexcept:
        self.joined = False
        if self.mapping is not None:
            fb_close(self.handle, self.device, self.number)
        self.release()
        self.size = 0
        self.writable = False

    cdef bint ready(self) noexcept:
        """Whether the record is ours and nobody is at work with it."""
        return self.joined and self.forks == fb_forks and self.alone()

    cdef int prepare(self) except -1:
        """Make the record ours, or raise."""
        if self.closed:
            raise ValueError(f"this SharedMemory ({self._path}) is closed")
        if self.joined and self.forks != fb_forks:
            self.rejoin()
        if self.rules.n and not self.joined:
            raise self.corrupt()
        return 0

    cdef object corrupt(self):
        return ValueError(f"{self._path}: corrupt: something else has written to it")

    cdef int check_writable(self, str method) except -1:
        return self.prepare()

    def close(self):
        """Let go of the file, which stays; nothing to do if that is done.

        Calls after that raise `ValueError`.
        """
        if self.joined and self.forks != fb_forks:
            self.whole = type(self.whole)()
        with self.whole:
            self.closed = True
            self.leave()

    def unlink(self):
        """Remove the file's name, if it is there.

        Who has it open goes on with it; who opens it anew, makes a new one.

        Raises
        ------
        OSError
            If the system does not let it.
        """
        shared.unlink(self._path)

    def __enter__(self):
        self.prepare()
        return self

    def __exit__(self, *raised):
        self.close()

    # ---- calls ------------------------------------------------------------------------------

    cdef bint call(self, uint64_t h, int64_t now, uint64_t cost, bint spend,
                   fb_limit_verdict_t *out) except -1:
        cdef fb_limit_outcome_t outcome
        cdef int64_t opens
        if self.ready():
            outcome = fb_limit_shared_call(&self.table, h, now, cost, spend, out, &opens)
        else:
            self.prepare()
            with self.whole:
                self.prepare()
                outcome = fb_limit_shared_call(&self.table, h, now, cost, spend, out, &opens)
        if outcome == FB_LIMIT_ALLOWED or outcome == FB_LIMIT_DENIED:
            return outcome == FB_LIMIT_ALLOWED
        return self.refuse(outcome, opens, out)

    cdef bint refuse(self, fb_limit_outcome_t outcome, int64_t opens,
                     fb_limit_verdict_t *out) except -1:
        """What becomes of a call that there is no room to remember."""
        if outcome == FB_LIMIT_CORRUPT:
            raise self.corrupt()
        if self._on_full == RAISE:
            raise limits.full(self._max_keys)
        if self._on_full == DENY and out != NULL:
            out.allowed = False
            out.remaining = 0
            out.retry = max(opens, 1)
            out.reset = 0
        return self._on_full == ALLOW

    cdef int call_keys(self, KeyBatch batch, int64_t now, const uint64_t *costs, uint64_t cost,
                       cbool *out, size_t *done) except -1:
        cdef fb_limit_outcome_t failure
        cdef bint allow = self._on_full == ALLOW, stop = self._on_full == RAISE
        self.prepare()
        with self.whole:
            self.prepare()
            self.begin_writing()
            if batch.n < RELEASE_GIL_FROM:
                done[0] = fb_limit_shared_call_keys(
                    &self.table, batch.cursor(), self._seed, now, costs, cost, allow, stop, out, &failure
                )
            else:
                with nogil:
                    done[0] = fb_limit_shared_call_keys(
                        &self.table, batch.cursor(), self._seed, now, costs, cost, allow, stop, out,
                        &failure,
                    )
            self.end_writing()
        if done[0] < batch.n:
            self.refuse(failure, 0, NULL)
        return 0

    cdef int forget_hash(self, uint64_t h) except -1:
        cdef bint done
        self.prepare()
        with self.whole:
            self.prepare()
            self.begin_writing()
            done = fb_limit_shared_forget(&self.table, h)
            self.end_writing()
        if not done:
            raise self.corrupt()
        return 0

    # ---- what it is -----------------------------------------------------------------------------

    cdef tuple counted(self):
        cdef uint64_t keys = 0, evicted = 0
        self.prepare()
        with self.whole:
            self.prepare()
            if self.joined:
                fb_limit_shared_count(&self.table, &keys, &evicted)
        return keys, evicted

    def __len__(self):
        return self.counted()[0]

    @property
    def evicted(self):
        """How many keys were forgotten, for lack of room, before their quota was whole."""
        return self.counted()[1]

    @property
    def path(self):
        """Of the file."""
        return self._path

    @property
    def on_full(self):
        """What becomes of a new key when all keys of its set are limited: "deny", "allow" or "raise"."""
        return limits.ON_FULL[self._on_full]

    @property
    def seed(self):
        """Of the hash by which keys are known; known once a limiter uses the storage."""
        return self._seed

    @property
    def nbytes(self):
        """Size of the file in bytes; 0 before a limiter uses it."""
        return self.size if self.joined else 0

    # ---- state: it is in the file --------------------------------------------------------------

    cdef tuple parameters(self):
        return (
            ("name_or_path", self._path), ("max_keys", self._max_keys),
            ("on_full", limits.ON_FULL[self._on_full]),
        )

    cdef int describe(self, fb_state_t *state) except -1:
        raise limits.no_bytes()

    def __reduce__(self):
        arguments = (type(self), SharedMemory, dict(self.parameters()))
        return limits.remade, arguments, getattr(self, "__dict__", None) or None

    def __copy__(self):
        make, arguments, attributes = self.__reduce__()
        result = make(*arguments)
        if attributes:
            result.__dict__.update(attributes)
        return result

    def __deepcopy__(self, memo):
        result = self.__copy__()
        attributes = getattr(self, "__dict__", None)
        if attributes:
            result.__dict__.update(copying.deepcopy(attributes, memo))
        return result


if fb_watch_forks() != 0:
    raise MemoryError("pthread_atfork")
fb_cpu_level()
