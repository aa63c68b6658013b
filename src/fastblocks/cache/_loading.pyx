"""Loads that a thread leads, by which a cache gets what is missing. `_core.flights` tells of all loads, and leads
the others."""

cimport cython
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_XDECREF
from cpython.weakref cimport PyWeakref_NewRef
from libc.stdint cimport int64_t

from fastblocks._core import caches, flights

from fastblocks._core.clock cimport now_ns

from ._entries cimport BY_DEFAULT, FB_CACHE_NEVER, SET, dict_size, fb_set_t

cdef extern from "Python.h":
    bint PyCoro_CheckExact(object o)
    int PyContextVar_Get(object var, object default, PyObject **value) except -1
    object PyContextVar_Set(object var, object value)
    int PyContextVar_Reset(object var, object token) except -1

cdef object MISSING = caches.MISSING
cdef object CURRENT = flights.current  # the load whose loader is running


@cython.freelist(8)
cdef class Flight:
    """A load that a thread leads. For `_core.flights` it is one of its own; what those need who wait is made when the
    first of them comes."""

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


cdef bint due(Entries cache, const fb_age_t *age) except -1:
    if cache.refresh != FB_CACHE_NEVER and age.now - age.times.written >= cache.refresh:
        return True
    return (
        cache.early is not None and age.times.load > 0 and age.times.expires != FB_CACHE_NEVER
        and cache.early.due(age.times.expires - age.now, age.times.load)
    )


cdef object load(Entries cache, object key, uint64_t changes, object loader, object args, PyObject *kwargs):
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
    cdef Flight flight = Flight.__new__(Flight)
    flight.key = key
    flight.thread = PyThread_get_thread_ident()
    flight.loaded = MISSING
    if cache.loading.setdefault(key, flight) is not flight:
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
        with cython.critical_section(cache):
            changed = cache.changes != changes
        if changed:  # somebody may have loaded it since
            flight.loaded = cache.look(key)
        if flight.loaded is MISSING:
            began = now_ns(cache._timer)
            called = True
            value = loader(key) if args is None else fb_call(loader, args, kwargs)
            if PyCoro_CheckExact(value):
                flights.check_value(value)
            how.load = took = max(now_ns(cache._timer) - began, 0)
            cache.put_as(key, value, BY_DEFAULT, &how, (), flight)
            flight.loaded = value
    except BaseException as error:
        try:
            if called and took < 0:
                took = max(now_ns(cache._timer) - began, 0)
        finally:
            land(cache, flight, parent, token, error, took)
        raise
    land(cache, flight, parent, token, None, took)
    return flight.loaded


cdef int land(Entries cache, Flight flight, object parent, object token, object error, int64_t took) except -1:
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
        with cython.critical_section(cache):
            cache.load_ns += took
            if error is None:
                cache.loads += 1
            else:
                cache.load_errors += 1
    try:
        if cache.loading.get(flight.key) is flight:
            del cache.loading[flight.key]
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
