"""The cache."""

cimport cython
from cpython.exc cimport PyErr_Clear
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.weakref cimport PyWeakref_NewRef

from collections.abc import KeysView, Mapping, MutableMapping
from types import GenericAlias

from fastblocks._core import caches, flights
from fastblocks._core.flights import Flights

from fastblocks._core.clock cimport now_ns
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.status cimport check_status, fb_status_t

cdef extern from "<stdbool.h>" nogil:
    ctypedef bint cbool "bool"

cdef extern from "Python.h":
    object fb_call "PyObject_Call"(object function, object args, PyObject *kwargs)
    bint PyCoro_CheckExact(object o)
    int PyContextVar_Get(object var, object default, PyObject **value) except -1
    object PyContextVar_Set(object var, object value)
    int PyContextVar_Reset(object var, object token) except -1

cdef extern from "cache/cache.h" nogil:
    const uint32_t FB_CACHE_NONE
    const int64_t FB_CACHE_NEVER
    fb_status_t fb_cache_init(fb_cache_t *c, fb_policy_kind_t kind, uint64_t maxsize, cbool weighted, uint64_t seed,
                              int64_t idle)
    void fb_cache_free(fb_cache_t *c)
    fb_status_t fb_cache_keep_time(fb_cache_t *c, int64_t now)
    uint64_t fb_cache_hash(uint64_t h, uint64_t seed)
    bint fb_cache_missed(const fb_cache_t *c, uint64_t h)
    fb_status_t fb_cache_reserve(fb_cache_t *c)
    uint32_t fb_cache_add(fb_cache_t *c, uint64_t h, uint64_t weight)
    void fb_cache_write(fb_cache_t *c, uint32_t slot, int64_t now, int64_t life, int64_t load)
    void fb_cache_age(fb_cache_t *c, uint32_t slot, int64_t accessed, int64_t written, int64_t load)
    void fb_cache_hit(fb_cache_t *c, uint32_t slot, int64_t now)
    bint fb_cache_occupied(const fb_cache_t *c, uint32_t slot)
    bint fb_cache_alive(const fb_cache_t *c, uint32_t slot, int64_t now)
    void fb_cache_remove(fb_cache_t *c, uint32_t slot)
    uint32_t fb_cache_victim(fb_cache_t *c)
    uint32_t fb_cache_pop(fb_cache_t *c)
    uint32_t fb_cache_dead(fb_cache_t *c)
    void fb_cache_clear(fb_cache_t *c)
    uint64_t fb_cache_bytes(const fb_cache_t *c)
    void fb_policy_reweigh(fb_policy_t *p, uint32_t slot, uint64_t weight)
    fb_status_t fb_policy_resize(fb_policy_t *p, uint64_t maxsize)
    uint32_t fb_policy_next(const fb_policy_t *p, uint32_t slot)
    bint fb_timers_behind(const fb_timers_t *t, int64_t now)
    void fb_timers_turn(fb_timers_t *t, int64_t now)
    void fb_timers_put_back(fb_timers_t *t)

cdef extern from "pycache.h":
    void fb_py_removals_init(fb_py_removals_t *r)
    int fb_py_removals_reserve(fb_py_removals_t *r, size_t n) except -1
    int removals_room "fb_py_removals_reserve"(fb_py_removals_t *r, size_t n)
    void fb_py_removals_take(fb_py_removals_t *r, PyObject *items, uint32_t slot, fb_py_cause_t cause)
    void fb_py_removals_replace(fb_py_removals_t *r, PyObject *items, uint32_t slot, object value)
    void fb_py_removals_free(fb_py_removals_t *r)
    Py_hash_t fb_py_hash(object key) except -1
    int fb_py_pause_gc()
    void fb_py_resume_gc(int was)
    list fb_py_slots(list items, uint32_t n_slots)
    object fb_py_number(dict tagged, uint32_t slot)
    enum:
        FB_PY_MOVED
    int fb_py_find(fb_cache_t *c, PyObject *items, const uint64_t *changes, object key, uint64_t h,
                   uint32_t *slot) except -1
    PyObject *FB_PY_KEY(list items, uint32_t slot)
    PyObject *FB_PY_VALUE(list items, uint32_t slot)
    Py_ssize_t dict_size "FB_PY_DICT_SIZE"(dict d)
    void put_key "FB_PY_PUT_KEY"(PyObject *items, uint32_t slot, object key)
    void put_value "FB_PY_PUT_VALUE"(PyObject *items, uint32_t slot, object value)
    int fb_py_set(fb_cache_t *c, PyObject *items, uint64_t *entered, uint64_t *evicted, PyObject *key,
                  PyObject *value, uint64_t h, PyObject **key_out, PyObject **value_out)

cdef int put_item(tuple item, Py_ssize_t i, PyObject *value) noexcept:
    Py_INCREF(<object>value)
    PyTuple_SET_ITEM(item, i, <object>value)
    return 0

cdef object MISSING = caches.MISSING
cdef object CURRENT = flights.current  # the load whose loader is running
cdef tuple CAUSES = caches.CAUSES
cdef int64_t BY_DEFAULT = -1  # a life: as the cache says
cdef str WHAT = "the cache"
cdef fb_set_t SET = fb_set_t(keep=False, load=0)
cdef fb_set_t KEEP = fb_set_t(keep=True, load=0)


@cython.freelist(8)
cdef class _Flight:
    """A load that a thread leads. For `flights` it is a flight as its own; what those need who wait is made
    when the first of them comes."""

    loop = None
    interrupted = flights.Flight.interrupted
    result = flights.Flight.result

    def begin(self):
        """Nobody else can lead it."""
        return False

    @property
    def needs(self):
        with cython.critical_section(self):
            if self.needed is None:
                self.needed = []
            return self.needed

    @property
    def turns(self):
        with cython.critical_section(self):
            if self.waiting is None:
                self.waiting = {}
            return self.waiting

    @property
    def done(self):
        with cython.critical_section(self):
            return self.landed

    @property
    def value(self):
        return self.loaded


@cython.collection_type("mapping")
cdef class Cache:
    """Cache(maxsize, *, ttl=None, tti=None, weigher=None, on_remove=None, policy="w-tinylfu", timer=None, \
refresh_after=None, early_refresh=None, executor=None, seed=None)\n--\n\n\
    A cache of any objects under any hashable keys, in manners of a dict, bounded by size, time or both.

    Parameters
    ----------
    maxsize : int
        How many entries to hold at most, in ``[1, 2**30]``; with a `weigher` the sum of their weights,
        in ``[1, 2**63)``.
    ttl : float, optional
        Seconds after which an entry dies; alive in ``[t, t + ttl)``. `set` gives an entry one of its own.
    tti : float, optional
        Seconds after its last request at which an entry dies.
    weigher : function, optional
        ``weigher(key, value)`` is the entry's weight, an int in ``[0, maxsize]``.
    on_remove : function, optional
        ``on_remove(key, value, cause)`` is told of every entry that left; `cause` is ``"explicit"`` (by a
        call), ``"replaced"`` (by another value), ``"size"`` (evicted) or ``"expired"``. It is called
        when the operation is complete, and may use the cache; what it raises goes to
        `sys.unraisablehook`.
    policy : {"w-tinylfu", "lru", "s3-fifo", "sieve"}, default "w-tinylfu"
        Who is evicted.
    timer : function, optional
        Returns seconds; default: the clock of `time.monotonic`. Not called unless entries have times.
    refresh_after : float, optional
        Age in seconds from which `get_or_load` starts a load in the background; it returns what is there.
    early_refresh : float, optional
        The same at random ages near the end of an entry's `ttl`: XFetch's beta, 1.0 is its authors'
        choice. The longer the last load took, the earlier.
    executor : concurrent.futures.Executor, optional
        Runs the loads in the background; by default one that all caches share.
    seed : int, optional
        Of the hash that the policy sees, in ``[0, 2**64)``; by default a random one, so that nobody can
        choose keys that collide.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    Keys are compared by their own ``hash`` and ``==``, as in a dict. A value just set is always readable.
    An entry heavier than the whole cache is refused with ValueError, and nothing changes.

    Requests are `get`, ``[key]``, `setdefault`, `get_many` and `get_or_load`: they count in `stats`, renew
    the life by `tti`, and are seen by the policy. ``in``, `peek`, iteration and what removes are not.

    *Loading.* However many threads and tasks want a key that is not there, one loads it, and all get the
    value or the error; an error is not cached. If the key is set or removed meanwhile, what was loaded is
    handed out but not stored.

    *Time.* What is dead is never shown. It is removed when it is met, by the next insertion about a
    millisecond later, by ``len``, `currsize` and `expire`.

    All operations are O(1) expected and amortised, except those that say otherwise. Memory beside keys and
    values: 16 bytes an entry, and those that ``csrc/cache/cache.h`` tells: 55 to 63 for a full cache of
    "w-tinylfu", 70 to 95 if it has no more than 12,288; see `nbytes`. The entries of weight 0 are bounded by ``2**30`` alone.

    Threads: an operation is atomic; functions given by the caller run outside the lock.

    A copy, and what is unpickled, has the entries with their remaining lives, weights and tags; the
    policy learns anew, and statistics begin at 0.

    References
    ----------
    Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions
    on Storage 13(4), 2017.

    Examples
    --------
    >>> from fastblocks import Cache
    >>> cache = Cache(2, policy="lru")
    >>> cache["a"], cache["b"] = 1, 2
    >>> cache["a"]
    1
    >>> cache["c"] = 3
    >>> sorted(cache), cache.get("b", "gone")
    (['a', 'c'], 'gone')
    >>> cache.get_or_load("d", str.upper)
    'D'
    >>> cache.stats().hit_ratio
    0.3333333333333333
    """

    __class_getitem__ = classmethod(GenericAlias)
    __hash__ = None

    def __cinit__(self, *args, **kwargs):
        self.slots = []
        self.ttl_ = self.refresh = FB_CACHE_NEVER
        check_status(fb_cache_init(&self.core, caches.POLICIES.index("lru"), 1, False, 0, FB_CACHE_NEVER), WHAT)
        self._policy = "lru"
        self._flights = Flights()
        self.loading = self._flights.table
        self.tagged = {}
        self.by_tag = {}

    def __dealloc__(self):
        fb_cache_free(&self.core)

    def __init__(self, maxsize, *, ttl=None, tti=None, weigher=None, on_remove=None, policy="w-tinylfu",
                 timer=None, refresh_after=None, early_refresh=None, executor=None, seed=None):
        self.check_new()
        cdef fb_cache_t core
        cdef object p = caches.parameters(
            maxsize, ttl=ttl, tti=tti, weigher=weigher, on_remove=on_remove, policy=policy, timer=timer,
            refresh_after=refresh_after, early_refresh=early_refresh, executor=executor, seed=seed,
        )
        cdef int64_t idle = FB_CACHE_NEVER if p.tti_ns is None else p.tti_ns
        cdef int64_t now = 0
        cdef bint timed = p.timed
        if timed:
            now = now_ns(timer)
        check_status(fb_cache_init(
            &core, caches.POLICIES.index(p.policy), p.maxsize, weigher is not None, p.seed, idle
        ), WHAT)
        cdef fb_cache_t empty
        cdef list before = self.slots  # which is let go of when everything is in place
        try:
            if timed:
                check_status(fb_cache_keep_time(&core, now), WHAT)
            with cython.critical_section(self):
                self.check_new()
                self.slots, self.tagged, self.by_tag = [], {}, {}
                empty = self.core
                self.core = core
                core = empty
                self.moves += 1
                self.changes += 1
                self.made = True
        finally:
            fb_cache_free(&core)
        self.seed_ = p.seed
        self.ttl_ = FB_CACHE_NEVER if p.ttl_ns is None else p.ttl_ns
        self.refresh = FB_CACHE_NEVER if p.refresh_ns is None else p.refresh_ns
        self._executor = executor
        self.early = p.early
        self._timer = timer
        self._weigher = weigher
        self._on_remove = on_remove
        self._policy = p.policy
        self._ttl = ttl
        self._tti = tti
        self._refresh_after = refresh_after
        self._early_refresh = early_refresh
        self.plain = self.ttl_ == FB_CACHE_NEVER and weigher is None and on_remove is None

    cdef int check_new(self) except -1:
        if self.made or dict_size(self.loading):
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")
        return 0

    # ---- the steps of an operation, under the lock ------------------------------------------

    @cython.final
    cdef int find(self, object key, uint64_t h, uint32_t *slot) except -1:
        """Whether there is an entry for the key, dead or alive."""
        cdef int found = FB_PY_MOVED
        self.begin()
        while found == FB_PY_MOVED:
            found = fb_py_find(&self.core, <PyObject *>self.slots, &self.moves, key, h, slot)
        return found

    cdef int renew(self) except -1:
        """The garbage collector has cleared this object, and somebody still uses it."""
        self._flights = Flights()
        self.loading = self._flights.table
        return self.start_anew()

    cdef int start_anew(self) except -1:
        cdef list items = fb_py_slots([], self.core.policy.n_slots)
        cdef dict tagged = {}
        cdef dict by_tag = {}
        fb_cache_clear(&self.core)
        self.slots = items
        self.tagged = tagged
        self.by_tag = by_tag
        self.moves += 1
        self.changes += 1
        return 0

    @cython.final
    cdef int take(self, uint32_t slot, fb_py_cause_t cause, fb_py_removals_t *gone) except -1:
        """Removes an entry that the policy does not: its key and value go to `gone`."""
        fb_py_removals_reserve(gone, 1)
        fb_cache_remove(&self.core, slot)
        self.empty(slot, cause, gone)
        return 0

    @cython.final
    cdef int empty(self, uint32_t slot, fb_py_cause_t cause, fb_py_removals_t *gone) except -1:
        """The rest of the removal of an entry, which is in the core no more. Cannot fail."""
        self.moves += 1
        if cause == FB_PY_EXPIRED:
            self.expirations += 1
        else:
            self.changes += 1
            if cause == FB_PY_SIZE:
                self.evictions += 1
        fb_py_removals_take(gone, <PyObject *>self.slots, slot, cause)
        if dict_size(self.tagged):
            self.tag(slot, ())
        return 0

    @cython.final
    cdef int bury(self, int64_t now, fb_py_removals_t *gone) except -1:
        """Removes all that is dead."""
        cdef uint32_t slot
        self.begin()
        if not self.core.timed:
            return 0
        fb_timers_turn(&self.core.timers, now)
        try:
            while True:
                fb_py_removals_reserve(gone, 1)
                slot = fb_cache_dead(&self.core)
                if slot == FB_CACHE_NONE:
                    return 0
                self.empty(slot, FB_PY_EXPIRED, gone)
        finally:
            fb_timers_put_back(&self.core.timers)

    @cython.final
    cdef int shrink(self, uint32_t entered, fb_py_removals_t *gone) except -1:
        """Removes what the policy wants to go, until the rest fits. If that fails, what was just entered goes."""
        cdef uint32_t slot
        while self.core.policy.weight > self.core.policy.maxsize:
            if removals_room(gone, 2) < 0:
                PyErr_Clear()
                if entered != FB_CACHE_NONE:
                    fb_cache_remove(&self.core, entered)
                    self.empty(entered, FB_PY_SIZE, gone)
                raise MemoryError
            slot = fb_cache_victim(&self.core)
            if slot == FB_CACHE_NONE:
                break
            self.empty(slot, FB_PY_SIZE, gone)
        return 0

    @cython.final
    cdef int tag(self, uint32_t slot, tuple tags) except -1:
        """Gives an entry these tags instead of those that it has. Cannot fail if there are none."""
        cdef object number = fb_py_number(self.tagged, slot)
        if tags and number is None:
            raise MemoryError
        cdef tuple old = self.tagged.get(number, ())
        cdef int gc = fb_py_pause_gc()
        try:
            for tag in tags:
                slots = self.by_tag.get(tag)
                if slots is None:
                    self.by_tag[tag] = slots = set()
                slots.add(number)
            if tags:
                self.tagged[number] = tags
            elif old:
                del self.tagged[number]
            old, tags = tags, old
        finally:
            for tag in tags:
                slots = self.by_tag.get(tag)
                if slots is not None and tag not in old:
                    slots.discard(number)
                    if not slots:
                        del self.by_tag[tag]
            fb_py_resume_gc(gc)
        return 0

    @cython.final
    cdef inline uint32_t enter(self, object key, uint64_t h, object value, uint64_t weight,
                               tuple tags) except? 0xDEAD:
        """A new entry; then the cache has to shrink."""
        cdef uint32_t slot
        cdef fb_cache_t *core = &self.core
        cdef fb_status_t status = fb_cache_reserve(core)
        if status:
            check_status(status, WHAT)
        if PyList_GET_SIZE(self.slots) < 2 * <Py_ssize_t>core.policy.n_slots:
            self.slots = fb_py_slots(self.slots, core.policy.n_slots)
        slot = fb_cache_add(core, h, weight)
        if tags:
            try:
                self.tag(slot, tags)
            except:
                fb_cache_remove(core, slot)
                raise
        put_key(<PyObject *>self.slots, slot, key)
        put_value(<PyObject *>self.slots, slot, value)
        self.moves += 1
        self.changes += 1
        return slot

    @cython.final
    cdef object store(self, object key, uint64_t h, object value, uint64_t weight, int64_t now, int64_t life,
                      const fb_set_t *how, tuple tags, object flight, fb_py_removals_t *gone):
        """Stores a value, and returns what the key has then: it may keep what it has, or be left alone."""
        cdef uint32_t slot
        cdef fb_cache_t *core = &self.core
        self.begin()
        if life != FB_CACHE_NEVER and not core.timed:
            check_status(fb_cache_keep_time(core, now), WHAT)
        if core.timed and fb_timers_behind(&core.timers, now):
            self.bury(now, gone)
        if flight is None and dict_size(self.loading):
            self._flights.touch(key)
        cdef bint found = False
        if not fb_cache_missed(core, h):
            found = self.find(key, h, &slot)
        if weight > core.policy.maxsize:
            raise caches.too_heavy(weight, core.policy.maxsize)
        if found and not fb_cache_alive(core, slot, now):
            self.take(slot, FB_PY_EXPIRED, gone)
            found = False
        if flight is not None and flight.stale:
            return value
        if found:
            if how.keep:
                return <object>FB_PY_VALUE(self.slots, slot)
            fb_py_removals_reserve(gone, 2)
            if flight is None and (tags or dict_size(self.tagged)):
                self.tag(slot, tags)
            fb_cache_hit(core, slot, now)
            fb_policy_reweigh(&core.policy, slot, weight)
            fb_py_removals_replace(gone, <PyObject *>self.slots, slot, value)
        else:
            fb_py_removals_reserve(gone, 2)
            slot = self.enter(key, h, value, weight, tags)
        if core.timed:
            fb_cache_write(core, slot, now, life, how.load)
        self.shrink(slot, gone)
        return value

    @cython.final
    cdef object discard(self, object key, uint64_t h, object value, int64_t now, fb_py_removals_t *gone):
        """Removes a key, if it has this very value or that is MISSING; returns what it had, or MISSING."""
        cdef uint32_t slot
        cdef object had = MISSING
        self.begin()
        if dict_size(self.loading):
            self._flights.touch(key)
        if self.find(key, h, &slot):
            if not fb_cache_alive(&self.core, slot, now):
                self.take(slot, FB_PY_EXPIRED, gone)
            elif value is MISSING or value is <object>FB_PY_VALUE(self.slots, slot):
                had = <object>FB_PY_VALUE(self.slots, slot)
                self.take(slot, FB_PY_EXPLICIT, gone)
        return had

    # ---- operations -------------------------------------------------------------------------

    @cython.final
    cdef int finish(self, fb_py_removals_t *gone) noexcept:
        """After an operation, outside the lock: tells of what was removed, and lets go of it."""
        cdef size_t i
        if self._on_remove is not None:
            for i in range(gone.n):
                self.tell(gone.all + i)
        fb_py_removals_free(gone)
        return 0

    @cython.final
    cdef int tell(self, const fb_py_removal_t *removal) noexcept:
        caches.tell(self._on_remove, <object>removal.key, <object>removal.value, CAUSES[removal.cause])
        return 0

    @cython.final
    cdef int64_t now(self) except? -1:
        return now_ns(self._timer) if self.core.timed else 0

    @cython.final
    cdef object lookup(self, object key, fb_age_t *age):
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        cdef int64_t now = self.now()
        cdef uint32_t slot
        cdef PyObject *value = <PyObject *>MISSING
        cdef object result
        cdef fb_py_removals_t gone
        gone.n = 0
        with cython.critical_section(self):
            if self.find(key, h, &slot):
                if fb_cache_alive(&self.core, slot, now):
                    fb_cache_hit(&self.core, slot, now)
                    value = FB_PY_VALUE(self.slots, slot)
                    if age != NULL and self.core.timed:
                        age.now = now
                        age.times = self.core.timers.entries[slot]
                else:
                    fb_py_removals_init(&gone)
                    self.take(slot, FB_PY_EXPIRED, &gone)
            if value == <PyObject *>MISSING:
                self.misses += 1
            else:
                self.hits += 1
            result = <object>value
        if gone.n:
            self.finish(&gone)
        return result

    @cython.final
    cdef object look(self, object key):
        """The value of a key, without anybody being told; MISSING if it is not there."""
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        cdef int64_t now = self.now()
        cdef uint32_t slot
        cdef object value = MISSING
        with cython.critical_section(self):
            if self.find(key, h, &slot) and fb_cache_alive(&self.core, slot, now):
                value = <object>FB_PY_VALUE(self.slots, slot)
        return value

    @cython.final
    cdef inline bint put_plainly(self, object key, uint64_t h, object value):
        """What `put_in_full` would do, if nothing else is to be done; False if nothing has been done."""
        cdef PyObject *key_out = NULL
        cdef PyObject *value_out = NULL
        cdef uint64_t entered = 0
        cdef bint done = False
        with cython.critical_section(self):
            if (
                self.plain and not self.core.timed and self.slots is not None
                and not dict_size(self.loading) and not dict_size(self.tagged)
            ):
                done = fb_py_set(&self.core, <PyObject *>self.slots, &entered, &self.evictions,
                                 <PyObject *>key, <PyObject *>value, h, &key_out, &value_out)
                self.moves += entered
                self.changes += entered
        Py_XDECREF(key_out)
        Py_XDECREF(value_out)
        return done

    @cython.final
    cdef object put(self, object key, object value, int64_t life, const fb_set_t *how, tuple tags, object flight):
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        if how == &SET and life == BY_DEFAULT and not tags and self.put_plainly(key, h, value):
            return value
        return self.put_in_full(key, h, value, life, how, tags, flight)

    @cython.final
    cdef object put_in_full(self, object key, uint64_t h, object value, int64_t life, const fb_set_t *how,
                            tuple tags, object flight):
        cdef uint64_t weight = 1
        cdef int64_t now = 0
        cdef fb_py_removals_t gone
        if self._weigher is not None:
            weight = caches.weight(self._weigher(key, value), self.core.policy.maxsize)
        if life == BY_DEFAULT:
            life = self.ttl_
        if self.core.timed or life != FB_CACHE_NEVER:
            now = now_ns(self._timer)
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                value = self.store(key, h, value, weight, now, life, how, tags, flight, &gone)
        finally:
            if gone.n:
                self.finish(&gone)
        return value

    @cython.final
    cdef int put_all(self, object pairs, int64_t life, tuple tags) except -1:
        for key, value in pairs:
            self.put(key, value, life, &SET, tags, None)
        return 0

    @cython.final
    cdef object drop(self, object key):
        """Removes a key; returns what it had, or MISSING."""
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        cdef int64_t now = self.now()
        cdef object had
        cdef fb_py_removals_t gone
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                had = self.discard(key, h, MISSING, now, &gone)
        finally:
            if gone.n:
                self.finish(&gone)
        return had

    @cython.final
    cdef size_t let_die(self) except? 0xDEAD:
        """Removes every entry that is dead by now; how many."""
        cdef fb_py_removals_t gone
        cdef size_t n
        if not self.core.timed:
            return 0
        cdef int64_t now = now_ns(self._timer)
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                self.bury(now, &gone)
        finally:
            n = gone.n
            self.finish(&gone)
        return n

    # ---- as a mapping -----------------------------------------------------------------------

    def get(self, key, default=None):
        """The value of `key`, or `default`. A request: counted, and seen by the policy. O(1).

        Parameters
        ----------
        key : object
            Hashable.
        default : object, optional
            Returned if `key` is not there.

        Raises
        ------
        TypeError
            If `key` is not hashable.
        """
        cdef object value = self.lookup(key, NULL)
        return default if value is MISSING else value

    def __getitem__(self, key):
        cdef object value = self.lookup(key, NULL)
        if value is MISSING:
            return self.missing(key)
        return value

    @cython.final
    cdef object missing(self, object key):
        method = getattr(type(self), "__missing__", None)
        if method is None:
            raise KeyError(key)
        return method(self, key)

    def __setitem__(self, key, value):
        self.put(key, value, BY_DEFAULT, &SET, (), None)

    def __delitem__(self, key):
        if self.drop(key) is MISSING:
            raise KeyError(key)

    def __contains__(self, key):
        return self.look(key) is not MISSING

    def __len__(self):
        self.let_die()
        return self.core.policy.n_entries

    def __iter__(self):
        return entries(self, False)

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self._pairs()) == dict(other.items())

    def _pairs(self):
        return entries(self, True)

    def keys(self):
        """A set-like view of the keys, in no order that means anything."""
        return KeysView(self)

    def values(self):
        """A view of the values. Looking is not a request."""
        return caches.Values(self)

    def items(self):
        """A set-like view of the pairs of key and value. Looking is not a request."""
        return caches.Items(self)

    @cython.embedsignature(False)
    def pop(self, key, default=MISSING):
        """pop($self, key, default=...)\n--\n\n\
        Removes `key` and returns its value, or `default` if it is not there. Not a request. O(1).

        Parameters
        ----------
        key : object
            Hashable.
        default : object, optional
            Returned if `key` is not there.

        Raises
        ------
        KeyError
            If `key` is not there and there is no `default`.
        """
        cdef object value = self.drop(key)
        if value is not MISSING:
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def popitem(self):
        """Removes the entry that the policy would evict next; returns its key and value. O(1).

        Raises
        ------
        KeyError
            If the cache is empty.
        """
        cdef uint32_t slot
        cdef tuple item
        cdef int64_t now = self.now()
        cdef fb_py_removal_t *last
        cdef fb_py_removals_t gone
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                self.bury(now, &gone)
                fb_py_removals_reserve(&gone, 1)
                item = PyTuple_New(2)
                slot = fb_cache_pop(&self.core)
                if slot == FB_CACHE_NONE:
                    raise caches.empty()
                self.empty(slot, FB_PY_EXPLICIT, &gone)
                last = gone.all + gone.n - 1
                put_item(item, 0, last.key)
                put_item(item, 1, last.value)
                if dict_size(self.loading):
                    self._flights.touch(<object>last.key)
        finally:
            self.finish(&gone)
        return item

    def setdefault(self, key, default=None):
        """The value of `key`, which becomes `default` if it is not there. A request. O(1).

        Parameters
        ----------
        key : object
            Hashable.
        default : object, optional
            Set if `key` is not there.
        """
        cdef object value = self.lookup(key, NULL)
        return self.put(key, default, BY_DEFAULT, &KEEP, (), None) if value is MISSING else value

    def update(self, other=(), /, **entries):
        """Sets the entries of a mapping, or of an iterable of pairs, and those given by name.

        Parameters
        ----------
        other : mapping or iterable of pairs, optional
            Keys and values.
        entries : object
            Values of keys that are names.
        """
        self.put_all(caches.pairs_of(other), BY_DEFAULT, ())
        self.put_all(entries.items(), BY_DEFAULT, ())

    def clear(self):
        """Removes everything. The policy forgets what it learnt; the statistics stay. O(n)."""
        cdef uint32_t slot
        cdef list items
        cdef list gone = []
        cdef int gc
        with cython.critical_section(self):
            self.begin()
            gc = fb_py_pause_gc()
            try:
                items = self.slots
                if self._on_remove is not None:
                    for slot in range(self.core.policy.n_slots):
                        if fb_cache_occupied(&self.core, slot):
                            gone.append((<object>FB_PY_KEY(items, slot), <object>FB_PY_VALUE(items, slot)))
                if dict_size(self.loading):
                    self._flights.touch_all()
                self.start_anew()
            finally:
                fb_py_resume_gc(gc)
        for key, value in gone:
            caches.tell(self._on_remove, key, value, CAUSES[<int>FB_PY_EXPLICIT])

    # ---- more than a mapping ----------------------------------------------------------------

    def set(self, key, value, ttl=None, tags=()):
        """Sets the value of `key`, which is readable at once. O(1).

        Parameters
        ----------
        key : object
            Hashable.
        value : object
            Anything.
        ttl : float, optional
            Seconds after which the entry dies, in place of the cache's `ttl`.
        tags : iterable of str, bytes or int, default ()
            By which `invalidate_tag` finds the entry. They replace those it had.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range, or the entry is heavier than `maxsize`;
            nothing has changed then.
        """
        self.put(key, value, life_of(ttl), &SET, caches.tags_of(tags), None)

    def set_many(self, items, ttl=None, tags=()):
        """Sets several entries, one by one: an error leaves those before it set. O(number).

        Parameters
        ----------
        items : mapping or iterable of pairs
            Keys and values.
        ttl : float, optional
            Seconds after which these entries die, in place of the cache's `ttl`.
        tags : iterable of str, bytes or int, default ()
            By which `invalidate_tag` finds them.
        """
        cdef int64_t life = life_of(ttl)
        tags = caches.tags_of(tags)
        self.put_all(caches.pairs_of(items), life, tags)

    def get_many(self, keys):
        """A dict of those of `keys` that are there, in their order. Each is a request. O(number).

        Parameters
        ----------
        keys : iterable
            Of hashable objects.
        """
        cdef dict found = {}
        for key in caches.keys_of(keys):
            value = self.lookup(key, NULL)
            if value is not MISSING:
                found[key] = value
        return found

    def peek(self, key, default=None):
        """The value of `key`, or `default`; not a request: nothing is counted, and the policy not told.

        Parameters
        ----------
        key : object
            Hashable.
        default : object, optional
            Returned if `key` is not there.
        """
        cdef object value = self.look(key)
        return default if value is MISSING else value

    def invalidate_tag(self, tag):
        """Removes the entries that have a tag, and returns how many. O(that number).

        Parameters
        ----------
        tag : str, bytes or int
            One of those that `set` was given.
        """
        cdef size_t i
        cdef size_t dead
        cdef size_t n
        cdef fb_py_removals_t gone
        tag = caches.tag_of(tag)
        cdef int64_t now = self.now()
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                self.bury(now, &gone)
                dead = gone.n
                slots = self.by_tag.get(tag, ())
                fb_py_removals_reserve(&gone, len(slots))
                while slots:
                    self.take(slots.pop(), FB_PY_EXPLICIT, &gone)
                n = gone.n - dead
                if dict_size(self.loading):
                    for i in range(dead, gone.n):
                        self._flights.touch(<object>gone.all[i].key)
        finally:
            self.finish(&gone)
        return n

    def invalidate_where(self, predicate):
        """Removes the entries for which ``predicate(key, value)`` is true, and returns how many. O(n).

        The predicate may take its time and use the cache: an entry that gets another value meanwhile
        stays.

        Parameters
        ----------
        predicate : function
            Called with the key and the value of every entry, before any is removed.
        """
        cdef size_t n = 0
        cdef uint64_t h
        cdef fb_py_removals_t gone
        caches.function("predicate", predicate)
        with cython.critical_section(self):
            self.begin()
            if dict_size(self.loading):
                self._flights.touch_all()
        cdef list chosen = [(key, value) for key, value in list(self._pairs()) if predicate(key, value)]
        cdef int64_t now = self.now()
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                fb_py_removals_reserve(&gone, len(chosen))
                for key, value in chosen:
                    h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
                    n += self.discard(key, h, value, now, &gone) is not MISSING
        finally:
            self.finish(&gone)
        return n

    def expire(self):
        """Removes every entry that is dead, and returns how many.

        There is no need to call it: the dead are never shown, and leave with the next insertions.
        """
        return self.let_die()

    def resize(self, maxsize):
        """Changes `maxsize`; evicts by the policy until the rest fits. O(evicted).

        Parameters
        ----------
        maxsize : int
            As of the constructor.
        """
        cdef uint64_t most = caches.maxsize_of(maxsize, self._weigher is not None)
        cdef size_t n
        cdef int64_t now = self.now()
        cdef fb_py_removals_t gone
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                self.bury(now, &gone)
                if self.core.policy.weight > most:
                    n = self.core.policy.weight - most if self._weigher is None else self.core.policy.n_entries
                    fb_py_removals_reserve(&gone, n + 1)
                check_status(fb_policy_resize(&self.core.policy, most), WHAT)
                self.shrink(FB_CACHE_NONE, &gone)
        finally:
            self.finish(&gone)

    # ---- loading ----------------------------------------------------------------------------

    @cython.final
    cdef bint aged(self, const fb_age_t *age) except -1:
        """Whether an entry that was hit is to be loaded anew."""
        if not self.core.timed:
            return False
        if self.refresh != FB_CACHE_NEVER and age.now - age.times.written >= self.refresh:
            return True
        return (
            self.early is not None and age.times.load > 0 and age.times.expires != FB_CACHE_NEVER
            and self.early.due(age.times.expires - age.now, age.times.load)
        )

    @cython.final
    cdef object load(self, object key, uint64_t changes, object loader, object args, PyObject *kwargs):
        """Loads a key that was missed after so many `changes`: what `flights` does if nobody else is loading it.

        Returns what loader(*args, **kwargs) returns, loader(key) if args is None; MISSING if the key is being
        loaded already.
        """
        cdef fb_set_t how = SET
        cdef object value = MISSING
        cdef object parent = None
        cdef object token = None
        cdef object current
        cdef PyObject *found = NULL
        cdef bint changed
        cdef bint called = False
        cdef int64_t began
        cdef int64_t took = -1
        cdef _Flight flight = _Flight.__new__(_Flight)
        flight.key = key
        flight.thread = PyThread_get_thread_ident()
        flight.loaded = MISSING
        if self.loading.setdefault(key, flight) is not flight:
            return MISSING
        try:
            PyContextVar_Get(CURRENT, None, &found)
            current = <object>found
            Py_XDECREF(found)
            if current is not None:
                parent = flights.parent()
                if parent is not None:
                    parent.needs.append(flight)
            token = PyContextVar_Set(CURRENT, PyWeakref_NewRef(flight, None))
            with cython.critical_section(self):
                changed = self.changes != changes
            if changed:  # somebody may have loaded it since
                flight.loaded = self.look(key)
            if flight.loaded is MISSING:
                began = now_ns(self._timer)
                called = True
                value = loader(key) if args is None else fb_call(loader, args, kwargs)
                if PyCoro_CheckExact(value):
                    flights.check_value(value)
                how.load = took = max(now_ns(self._timer) - began, 0)
                self.put(key, value, BY_DEFAULT, &how, (), flight)
                flight.loaded = value
        except BaseException as error:
            try:
                if called and took < 0:
                    took = max(now_ns(self._timer) - began, 0)
            finally:
                self.land(flight, parent, token, error, took)
            raise
        self.land(flight, parent, token, None, took)
        return flight.loaded

    @cython.final
    cdef int land(self, _Flight flight, object parent, object token, object error, int64_t took) except -1:
        """The end of a load that `load` leads: it took so many ns, -1 if the loader was not called."""
        cdef dict turns
        try:
            if token is not None:
                PyContextVar_Reset(CURRENT, token)
        except ValueError:  # the loader has changed the context, as switches of greenlets do
            pass
        if parent is not None:
            parent.needs.remove(flight)
        if took >= 0:
            with cython.critical_section(self):
                self.load_ns += took
                if error is None:
                    self.loads += 1
                else:
                    self.load_errors += 1
        try:
            if self.loading.get(flight.key) is flight:
                del self.loading[flight.key]
        except Exception:  # of a key that raises: whoever meets the flight removes it
            pass
        if error is not None:
            flight.error = error
            flight._traceback = error.__traceback__
        with cython.critical_section(flight):
            flight.landed = True
            turns = flight.waiting
        if turns is not None:
            for turn in list(turns):
                turn.wake()
        return 0

    def get_or_load(self, key, loader):
        """The value of `key`; if it is not there, ``loader(key)``, called once however many ask. O(1) if there.

        See the notes on loading above.

        Parameters
        ----------
        key : object
            Hashable.
        loader : function
            Given the key, returns its value. What it raises reaches all who wait, and is not cached.

        Raises
        ------
        RuntimeError
            If the loader asks for the key that it is loading, itself or by way of other loads.
        """
        cdef fb_age_t age
        if not callable(loader):
            caches.function("loader", loader)  # raises
        cdef uint64_t changes = self.changes
        cdef object value = self.lookup(key, &age)
        if value is MISSING:
            value = self.load(key, changes, loader, None, NULL)
            return self._flights.load(self, key, loader) if value is MISSING else value
        if self.aged(&age):
            self._flights.refresh(self, key, loader)
        return value

    async def get_or_load_async(self, key, loader):
        """`get_or_load` for coroutines: ``loader(key)`` is awaited, in a task of its own.

        Threads and tasks that want the same key wait for the same load. One who is cancelled while it
        waits does not cancel it for the others.

        Parameters
        ----------
        key : object
            Hashable.
        loader : function
            Given the key, returns an awaitable of its value.

        Raises
        ------
        RuntimeError
            As `get_or_load`.
        """
        cdef fb_age_t age
        if not callable(loader):
            caches.function("loader", loader)  # raises
        cdef object value = self.lookup(key, &age)
        if value is MISSING:
            return await self._flights.load_async(self, key, loader)
        if self.aged(&age):
            self._flights.refresh_async(self, key, loader)
        return value

    def _put_loaded(self, key, value, flight, load_ns):
        """Stores what was loaded, unless the key was set or removed meanwhile."""
        cdef fb_set_t how = SET
        how.load = load_ns
        self.put(key, value, BY_DEFAULT, &how, (), flight)

    # ---- what it is -------------------------------------------------------------------------

    @property
    def maxsize(self):
        """The largest sum of weights; of entries, if they are not weighed."""
        return self.core.policy.maxsize

    @property
    def currsize(self):
        """The sum of the weights of the entries; their number, if they are not weighed."""
        self.let_die()
        return self.core.policy.weight

    @property
    def timer(self):
        """Returns seconds; None for the clock of `time.monotonic`."""
        return self._timer

    @property
    def executor(self):
        """Runs loads in the background; None for the one that all caches share."""
        return self._executor

    @property
    def weigher(self):
        """Tells the weight of an entry, or None."""
        return self._weigher

    @property
    def on_remove(self):
        """Told of what left, or None."""
        return self._on_remove

    @property
    def policy(self):
        """Who is evicted."""
        return self._policy

    @property
    def ttl(self):
        """Seconds after which an entry dies, or None."""
        return self._ttl

    @property
    def tti(self):
        """Seconds after its last request at which an entry dies, or None."""
        return self._tti

    @property
    def refresh_after(self):
        """Age in seconds from which `get_or_load` loads in the background, or None."""
        return self._refresh_after

    @property
    def early_refresh(self):
        """XFetch's beta, or None."""
        return self._early_refresh

    @property
    def seed(self):
        """Of the hash that the policy sees."""
        return self.seed_

    @property
    def nbytes(self):
        """Bytes that the structure takes, without the keys and values themselves."""
        with cython.critical_section(self):
            self.begin()
            return fb_cache_bytes(&self.core) + 8 * <uint64_t>PyList_GET_SIZE(self.slots)

    def stats(self):
        """`CacheStats`: what became of the requests so far."""
        others = self._flights
        return caches.CacheStats(
            hits=self.hits, misses=self.misses, loads=self.loads + others.loads,
            load_errors=self.load_errors + others.load_errors,
            load_seconds=(self.load_ns + others.load_ns) / 1e9,
            evictions=self.evictions, expirations=self.expirations,
        )

    def __repr__(self):
        return caches.shown(self, len(self))

    # ---- copies -----------------------------------------------------------------------------

    def __getstate__(self):
        """The entries, those that would be evicted first in front, their times relative to now."""
        cdef list entries = []
        cdef const fb_timers_entry_t *times
        cdef uint32_t slot
        cdef object ages, expires
        cdef int gc
        self.let_die()
        cdef int64_t now = self.now()
        with cython.critical_section(self):
            self.begin()
            gc = fb_py_pause_gc()
            try:
                slot = fb_policy_next(&self.core.policy, FB_CACHE_NONE)
                while slot != FB_CACHE_NONE:
                    ages = None
                    if self.core.timed:
                        times = self.core.timers.entries + slot
                        expires = None
                        if times.expires != FB_CACHE_NEVER:
                            expires = times.expires - now
                        ages = (expires, now - times.written, now - times.accessed, times.load)
                    entries.append((
                        <object>FB_PY_KEY(self.slots, slot), <object>FB_PY_VALUE(self.slots, slot),
                        1 if self.core.policy.weights == NULL else self.core.policy.weights[slot],
                        self.tagged.get(slot, ()), ages,
                    ))
                    slot = fb_policy_next(&self.core.policy, slot)
            finally:
                fb_py_resume_gc(gc)
        return entries, getattr(self, "__dict__", None)

    def __setstate__(self, state):
        entries, attributes = state
        if attributes:
            self.__dict__.update(attributes)
        for key, value, weight, tags, ages in entries:
            self.revive(key, value, weight, tags, ages)

    cdef int revive(self, object key, object value, uint64_t weight, tuple tags, tuple ages) except -1:
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        cdef int64_t now = 0
        cdef int64_t life = FB_CACHE_NEVER
        cdef uint32_t slot
        cdef fb_py_removals_t gone
        if ages is not None:
            now = now_ns(self._timer)
            if ages[0] is not None:
                life = ages[0]
        fb_py_removals_init(&gone)
        try:
            with cython.critical_section(self):
                if ages is not None:
                    check_status(fb_cache_keep_time(&self.core, now), WHAT)
                self.store(key, h, value, weight, now, life, &SET, tags, None, &gone)
                if ages is not None and self.find(key, h, &slot):
                    fb_cache_age(&self.core, slot, now - <int64_t>ages[2], now - <int64_t>ages[1], ages[3])
        finally:
            if gone.n:
                self.finish(&gone)
        return 0

    def __reduce__(self):
        arguments = {name: getattr(self, name) for name in caches.ARGUMENTS}
        return caches.remade, (Cache, type(self), arguments), self.__getstate__()

    def __copy__(self):
        return caches.copied(self)

    def __deepcopy__(self, memo):
        return caches.copied(self, memo)


cdef class _Entries:
    """Iterates over the entries of a cache that are alive."""

    cdef Cache cache
    cdef uint32_t at
    cdef uint64_t changes
    cdef bint pairs

    def __iter__(self):
        return self

    def __next__(self):
        cdef Cache cache = self.cache
        cdef object entry = MISSING
        cdef int64_t now
        if cache is None:
            raise StopIteration
        now = cache.now()
        with cython.critical_section(cache):
            cache.begin()
            if self.changes != cache.changes:
                raise caches.changed_size()
            while entry is MISSING and self.at < cache.core.policy.n_slots:
                if fb_cache_occupied(&cache.core, self.at) and fb_cache_alive(&cache.core, self.at, now):
                    entry = self.entry()
                self.at += 1
        if entry is MISSING:
            self.cache = None
            raise StopIteration
        return entry

    cdef object entry(self):
        cdef object key = <object>FB_PY_KEY(self.cache.slots, self.at)
        return (key, <object>FB_PY_VALUE(self.cache.slots, self.at)) if self.pairs else key


cdef _Entries entries(Cache cache, bint pairs):
    cdef _Entries result = _Entries.__new__(_Entries)
    result.cache = cache
    result.changes = cache.changes
    result.pairs = pairs
    return result


cdef int64_t life_of(object ttl) except? 0:
    return BY_DEFAULT if ttl is None else caches.ttl_ns(ttl)


MutableMapping.register(Cache)

fb_cpu_level()
