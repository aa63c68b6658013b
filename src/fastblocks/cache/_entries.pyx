"""The entries of a cache, and what is done to one of them."""

cimport cython
from cpython.exc cimport PyErr_Clear
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF

from fastblocks._core import caches
from fastblocks._core.flights import Flights

from fastblocks._core.clock cimport now_ns
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.status cimport check_status

cdef extern from "<stdbool.h>" nogil:
    ctypedef bint cbool "bool"

cdef extern from "cache/cache.h" nogil:
    fb_status_t fb_cache_init(fb_cache_t *c, fb_policy_kind_t kind, uint64_t maxsize, cbool weighted, uint64_t seed,
                              int64_t idle)
    void fb_cache_free(fb_cache_t *c)
    bint fb_cache_missed(const fb_cache_t *c, uint64_t h)
    fb_status_t fb_cache_reserve(fb_cache_t *c)
    uint32_t fb_cache_add(fb_cache_t *c, uint64_t h, uint64_t weight)
    void fb_cache_write(fb_cache_t *c, uint32_t slot, int64_t now, int64_t life, int64_t load)
    void fb_cache_hit(fb_cache_t *c, uint32_t slot, int64_t now)
    void fb_cache_remove(fb_cache_t *c, uint32_t slot)
    uint32_t fb_cache_victim(fb_cache_t *c)
    uint32_t fb_cache_dead(fb_cache_t *c)
    void fb_cache_clear(fb_cache_t *c)
    void fb_policy_reweigh(fb_policy_t *p, uint32_t slot, uint64_t weight)
    bint fb_timers_behind(const fb_timers_t *t, int64_t now)
    void fb_timers_turn(fb_timers_t *t, int64_t now)
    void fb_timers_put_back(fb_timers_t *t)

cdef extern from "pycache.h":
    int removals_room "fb_py_removals_reserve"(fb_py_removals_t *r, size_t n)
    void fb_py_removals_take(fb_py_removals_t *r, PyObject *items, uint32_t slot, fb_py_cause_t cause)
    void fb_py_removals_replace(fb_py_removals_t *r, PyObject *items, uint32_t slot, object value)
    void fb_py_removals_free(fb_py_removals_t *r)
    list fb_py_slots(list items, uint32_t n_slots)
    object fb_py_number(dict tagged, uint32_t slot)
    enum:
        FB_PY_MOVED
    int fb_py_find(fb_cache_t *c, PyObject *items, const uint64_t *changes, object key, uint64_t h,
                   uint32_t *slot) except -1
    bint fb_py_plain(object key)
    int fb_py_get(fb_cache_t *c, PyObject *items, PyObject *key, uint64_t h, PyObject **value)
    void put_key "FB_PY_PUT_KEY"(PyObject *items, uint32_t slot, object key)
    void put_value "FB_PY_PUT_VALUE"(PyObject *items, uint32_t slot, object value)
    int fb_py_set(fb_cache_t *c, PyObject *items, uint64_t *entered, uint64_t *evicted, PyObject *key,
                  PyObject *value, uint64_t h, PyObject **key_out, PyObject **value_out)

cdef object MISSING = caches.MISSING
CAUSES = caches.CAUSES
WHAT = "the cache"
SET = fb_set_t(keep=False, load=0)
KEEP = fb_set_t(keep=True, load=0)


cdef class Entries:
    def __cinit__(self, *args, **kwargs):
        self.slots = []
        self.life = self.refresh = FB_CACHE_NEVER
        check_status(fb_cache_init(&self.core, caches.POLICIES.index("lru"), 1, False, 0, FB_CACHE_NEVER), WHAT)
        self._flights = Flights()
        self.loading = self._flights.table
        self.tagged = {}
        self.by_tag = {}

    def __dealloc__(self):
        fb_cache_free(&self.core)

    @cython.final
    cdef int start(self, object p, object weigher, object on_remove, object timer) except -1:
        cdef fb_cache_t core
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
        self.life = FB_CACHE_NEVER if p.ttl_ns is None else p.ttl_ns
        self.refresh = FB_CACHE_NEVER if p.refresh_ns is None else p.refresh_ns
        self.early = p.early
        self._timer = timer
        self._weigher = weigher
        self._on_remove = on_remove
        self.plain = self.life == FB_CACHE_NEVER and weigher is None and on_remove is None
        return 0

    @cython.final
    cdef int check_new(self) except -1:
        if self.made or dict_size(self.loading):
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")
        return 0

    @cython.final
    cdef int64_t now(self) except? -1:
        return now_ns(self._timer) if self.core.timed else 0

    # ---- the steps of an operation, under the lock ------------------------------------------

    @cython.final
    cdef int find(self, object key, uint64_t h, uint32_t *slot) except -1:
        """Whether there is an entry for the key, dead or alive."""
        cdef int found = FB_PY_MOVED
        self.begin()
        while found == FB_PY_MOVED:
            found = fb_py_find(&self.core, <PyObject *>self.slots, &self.moves, key, h, slot)
        return found

    @cython.final
    cdef int renew(self) except -1:
        """The garbage collector has cleared this object, and somebody still uses it."""
        self._flights = Flights()
        self.loading = self._flights.table
        return self.start_anew()

    @cython.final
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

    # ---- operations on one key ---------------------------------------------------------------

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
    cdef object lookup(self, object key, PyObject *absent, fb_age_t *age):
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        cdef PyObject *value = absent
        cdef int found = -1
        cdef object result
        if fb_py_plain(key):
            with cython.critical_section(self):
                if not self.core.timed and self.slots is not None:
                    found = fb_py_get(&self.core, <PyObject *>self.slots, <PyObject *>key, h, &value)
                    if found >= 0:
                        self.hits += found
                        self.misses += not found
                        result = <object>value
            if found >= 0:
                return result
        return self.lookup_in_full(key, h, absent, age)

    @cython.final
    cdef object lookup_in_full(self, object key, uint64_t h, PyObject *absent, fb_age_t *age):
        """The same where entries have times, or it takes Python to tell whether keys are equal."""
        cdef int64_t now = self.now()
        cdef uint32_t slot
        cdef PyObject *value = NULL
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
            if value == NULL:
                self.misses += 1
                value = absent
            else:
                self.hits += 1
            result = <object>value
        if gone.n:
            self.finish(&gone)
        return result

    @cython.final
    cdef object look(self, object key):
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
        cdef int64_t now = self.now()
        cdef uint32_t slot
        cdef object value = MISSING
        with cython.critical_section(self):
            if self.find(key, h, &slot) and fb_cache_alive(&self.core, slot, now):
                value = <object>FB_PY_VALUE(self.slots, slot)
        return value

    @cython.final
    cdef int put(self, object key, object value) except -1:
        """What `put_as` does by default. Here, in short, if nothing else is to be done than to store a value."""
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
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
        if not done:
            self.put_in_full(key, h, value, BY_DEFAULT, &SET, (), None)
        return 0

    @cython.final
    cdef object put_as(self, object key, object value, int64_t life, const fb_set_t *how, tuple tags, object flight):
        if how == &SET and life == BY_DEFAULT and not tags:
            self.put(key, value)
            return value
        cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), self.seed_)
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
            life = self.life
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


fb_cpu_level()
