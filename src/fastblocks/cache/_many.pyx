"""What is done to many entries of a cache."""

cimport cython
from cpython.list cimport PyList_GET_SIZE
from cpython.tuple cimport PyTuple_New

from fastblocks._core import caches

from fastblocks._core.clock cimport now_ns
from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.status cimport check_status, fb_status_t

from ._entries cimport (
    CAUSES, FB_CACHE_NEVER, FB_CACHE_NONE, FB_PY_EXPLICIT, FB_PY_KEY, FB_PY_VALUE, SET, WHAT, dict_size,
    fb_cache_alive, fb_cache_hash, fb_cache_keep_time, fb_cache_occupied, fb_cache_t, fb_policy_t, fb_py_hash,
    fb_py_pause_gc, fb_py_removal_t, fb_py_removals_init, fb_py_removals_reserve, fb_py_removals_t, fb_py_resume_gc,
    fb_timers_entry_t, set_item,
)

cdef extern from "cache/cache.h" nogil:
    void fb_cache_age(fb_cache_t *c, uint32_t slot, int64_t accessed, int64_t written, int64_t load)
    uint32_t fb_cache_pop(fb_cache_t *c)
    uint64_t fb_cache_bytes(const fb_cache_t *c)
    fb_status_t fb_policy_resize(fb_policy_t *p, uint64_t maxsize)
    uint32_t fb_policy_next(const fb_policy_t *p, uint32_t slot)

cdef object MISSING = caches.MISSING


cdef int put_all(Entries cache, object pairs, int64_t life, tuple tags) except -1:
    for key, value in pairs:
        cache.put_as(key, value, life, &SET, tags, None)
    return 0


cdef uint64_t bytes_of(Entries cache) except? 0xDEAD:
    with cython.critical_section(cache):
        cache.begin()
        return fb_cache_bytes(&cache.core) + 8 * <uint64_t>PyList_GET_SIZE(cache.slots)


# ---- removal -----------------------------------------------------------------------------------


cdef tuple pop_next(Entries cache):
    cdef uint32_t slot
    cdef tuple item
    cdef int64_t now = cache.now()
    cdef fb_py_removal_t *last
    cdef fb_py_removals_t gone
    fb_py_removals_init(&gone)
    try:
        with cython.critical_section(cache):
            cache.bury(now, &gone)
            fb_py_removals_reserve(&gone, 1)
            item = PyTuple_New(2)
            slot = fb_cache_pop(&cache.core)
            if slot == FB_CACHE_NONE:
                raise caches.empty()
            cache.empty(slot, FB_PY_EXPLICIT, &gone)
            last = gone.all + gone.n - 1
            set_item(item, 0, <object>last.key)
            set_item(item, 1, <object>last.value)
            if dict_size(cache.loading):
                cache._flights.touch(<object>last.key)
    finally:
        cache.finish(&gone)
    return item


cdef size_t remove_dead(Entries cache) except? 0xDEAD:
    cdef fb_py_removals_t gone
    cdef size_t n
    if not cache.core.timed:
        return 0
    cdef int64_t now = now_ns(cache._timer)
    fb_py_removals_init(&gone)
    try:
        with cython.critical_section(cache):
            cache.bury(now, &gone)
    finally:
        n = gone.n
        cache.finish(&gone)
    return n


cdef size_t remove_tagged(Entries cache, object tag) except? 0xDEAD:
    cdef size_t i
    cdef size_t dead
    cdef size_t n
    cdef fb_py_removals_t gone
    cdef int64_t now = cache.now()
    fb_py_removals_init(&gone)
    try:
        with cython.critical_section(cache):
            cache.bury(now, &gone)
            dead = gone.n
            slots = cache.by_tag.get(tag, ())
            fb_py_removals_reserve(&gone, len(slots))
            while slots:
                cache.take(slots.pop(), FB_PY_EXPLICIT, &gone)
            n = gone.n - dead
            if dict_size(cache.loading):
                for i in range(dead, gone.n):
                    cache._flights.touch(<object>gone.all[i].key)
    finally:
        cache.finish(&gone)
    return n


cdef size_t remove_where(Entries cache, object predicate) except? 0xDEAD:
    cdef size_t n = 0
    cdef uint64_t h
    cdef fb_py_removals_t gone
    with cython.critical_section(cache):
        cache.begin()
        if dict_size(cache.loading):
            cache._flights.touch_all()
    cdef list chosen = [(key, value) for key, value in list(iterate(cache, True)) if predicate(key, value)]
    cdef int64_t now = cache.now()
    fb_py_removals_init(&gone)
    try:
        with cython.critical_section(cache):
            fb_py_removals_reserve(&gone, len(chosen))
            for key, value in chosen:
                h = fb_cache_hash(<uint64_t>fb_py_hash(key), cache.seed_)
                n += cache.discard(key, h, value, now, &gone) is not MISSING
    finally:
        cache.finish(&gone)
    return n


cdef int remove_all(Entries cache) except -1:
    cdef uint32_t slot
    cdef list items
    cdef list gone = []
    cdef int gc
    with cython.critical_section(cache):
        cache.begin()
        gc = fb_py_pause_gc()
        try:
            items = cache.slots
            if cache._on_remove is not None:
                for slot in range(cache.core.policy.n_slots):
                    if fb_cache_occupied(&cache.core, slot):
                        gone.append((<object>FB_PY_KEY(items, slot), <object>FB_PY_VALUE(items, slot)))
            if dict_size(cache.loading):
                cache._flights.touch_all()
            cache.start_anew()
        finally:
            fb_py_resume_gc(gc)
    for key, value in gone:
        caches.tell(cache._on_remove, key, value, CAUSES[<int>FB_PY_EXPLICIT])
    return 0


cdef int resize(Entries cache, uint64_t maxsize) except -1:
    cdef size_t n
    cdef int64_t now = cache.now()
    cdef fb_py_removals_t gone
    fb_py_removals_init(&gone)
    try:
        with cython.critical_section(cache):
            cache.bury(now, &gone)
            if cache.core.policy.weight > maxsize:
                n = cache.core.policy.weight - maxsize if cache._weigher is None else cache.core.policy.n_entries
                fb_py_removals_reserve(&gone, n + 1)
            check_status(fb_policy_resize(&cache.core.policy, maxsize), WHAT)
            cache.shrink(FB_CACHE_NONE, &gone)
    finally:
        cache.finish(&gone)
    return 0


# ---- iteration ---------------------------------------------------------------------------------


cdef class Iterator:
    def __iter__(self):
        return self

    def __next__(self):
        cdef Entries cache = self.cache
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


cdef Iterator iterate(Entries cache, bint pairs):
    cdef Iterator result = Iterator.__new__(Iterator)
    result.cache = cache
    result.changes = cache.changes
    result.pairs = pairs
    return result


# ---- copies ------------------------------------------------------------------------------------


cdef list snapshot(Entries cache):
    cdef list entries = []
    cdef const fb_timers_entry_t *times
    cdef uint32_t slot
    cdef object ages, expires
    cdef int gc
    remove_dead(cache)
    cdef int64_t now = cache.now()
    with cython.critical_section(cache):
        cache.begin()
        gc = fb_py_pause_gc()
        try:
            slot = fb_policy_next(&cache.core.policy, FB_CACHE_NONE)
            while slot != FB_CACHE_NONE:
                ages = None
                if cache.core.timed:
                    times = cache.core.timers.entries + slot
                    expires = None
                    if times.expires != FB_CACHE_NEVER:
                        expires = times.expires - now
                    ages = (expires, now - times.written, now - times.accessed, times.load)
                entries.append((
                    <object>FB_PY_KEY(cache.slots, slot), <object>FB_PY_VALUE(cache.slots, slot),
                    1 if cache.core.policy.weights == NULL else cache.core.policy.weights[slot],
                    cache.tagged.get(slot, ()), ages,
                ))
                slot = fb_policy_next(&cache.core.policy, slot)
        finally:
            fb_py_resume_gc(gc)
    return entries


cdef int revive(Entries cache, object key, object value, uint64_t weight, tuple tags, tuple ages) except -1:
    cdef uint64_t h = fb_cache_hash(<uint64_t>fb_py_hash(key), cache.seed_)
    cdef int64_t now = 0
    cdef int64_t life = FB_CACHE_NEVER
    cdef uint32_t slot
    cdef fb_py_removals_t gone
    if ages is not None:
        now = now_ns(cache._timer)
        if ages[0] is not None:
            life = ages[0]
    fb_py_removals_init(&gone)
    try:
        with cython.critical_section(cache):
            if ages is not None:
                check_status(fb_cache_keep_time(&cache.core, now), WHAT)
            cache.store(key, h, value, weight, now, life, &SET, tags, None, &gone)
            if ages is not None and cache.find(key, h, &slot):
                fb_cache_age(&cache.core, slot, now - <int64_t>ages[2], now - <int64_t>ages[1], ages[3])
    finally:
        if gone.n:
            cache.finish(&gone)
    return 0


fb_cpu_level()
