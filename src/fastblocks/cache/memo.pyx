"""A decorator that keeps the results of a function in a cache."""

from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.long cimport PyLong_CheckExact
from cpython.long cimport PyLong_FromVoidPtr
from cpython.object cimport PyObject, PyTypeObject, ternaryfunc
from cpython.tuple cimport PyTuple_GET_SIZE, PyTuple_GetSlice, PyTuple_New
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint64_t

from functools import update_wrapper
from types import GenericAlias

from fastblocks._core import caches, memos

from ._entries cimport fb_age_t, set_item
from ._loading cimport aged, fb_call, load
from .cache cimport Cache

cdef extern from "Python.h":
    PyObject *PyTuple_GET_ITEM(object t, Py_ssize_t i)
    object PyMethod_New(object function, object instance)

cdef object MISSING = caches.MISSING
cdef object KWARGS = memos.KWARGS


cdef class _Loader:
    """A call of a function, as a loader. It adds no Python frame, so that functions may recur deeply."""

    cdef object function
    cdef object args
    cdef object kwargs  # or None

    def __call__(self, key):
        return fb_call(self.function, self.args, NULL if self.kwargs is None else <PyObject *>self.kwargs)


cdef _Loader loader_of(object function, object args, PyObject *kwargs):
    cdef _Loader loader = _Loader.__new__(_Loader)
    loader.function = function
    loader.args = args
    loader.kwargs = None if kwargs is NULL else <object>kwargs
    return loader


cdef class CachedFunction:
    """A function whose results are kept; made by `cached`."""

    cdef readonly Cache cache
    cdef object function
    cdef object key        # a function, or None
    cdef bint typed
    cdef bint awaited      # it is a coroutine function
    cdef bint bound        # of an instance: it gets the instance, and leaves it out of keys
    cdef tuple owners      # classes of which it is a method
    cdef object options
    cdef object instances
    cdef dict of_instance  # its table
    cdef object before     # statistics when it was last cleared
    cdef dict __dict__
    cdef object __weakref__

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, function, key, typed, options, bound=False):
        update_wrapper(self, function)
        self.cache = Cache(**options)
        self.function = function
        self.key = key
        self.typed = typed
        self.awaited = memos.is_async(function)
        self.bound = bound
        self.owners = ()
        self.options = options
        self.instances = memos.Instances()
        self.of_instance = self.instances.table
        if self.awaited:
            memos.mark(self, function)
        self.before = self.cache.stats()

    cdef object key_of(self, tuple args, PyObject *kwargs, Py_ssize_t skip):
        """The key of a call without its first `skip` arguments: what `memos.key_of` says."""
        cdef Py_ssize_t n = PyTuple_GET_SIZE(args)
        cdef object only
        cdef tuple parts
        cdef PyObject *name
        cdef PyObject *value
        cdef Py_ssize_t at = 0
        if kwargs is NULL and n == skip + 1 and self.key is None and not self.typed:
            only = <object>PyTuple_GET_ITEM(args, skip)
            if PyLong_CheckExact(only) or PyUnicode_CheckExact(only):
                return only
        if skip:
            args = PyTuple_GetSlice(args, skip, n)
        if self.key is not None:
            return fb_call(self.key, args, kwargs)
        if self.typed:
            return memos.key_of(args, {} if kwargs is NULL else <object>kwargs, True)
        if kwargs is NULL:
            return args
        n -= skip
        parts = PyTuple_New(n + 1 + 2 * PyDict_Size(<object>kwargs))
        for i in range(n):
            set_item(parts, i, <object>PyTuple_GET_ITEM(args, i))
        set_item(parts, n, KWARGS)
        while PyDict_Next(<object>kwargs, &at, &name, &value):
            set_item(parts, n + 1, <object>name)
            set_item(parts, n + 2, <object>value)
            n += 2
        return parts

    def __call__(self, /, *args, **kwargs):
        """Return the result of the call, of the function or out of the cache."""
        return call(self, args, <PyObject *>kwargs if kwargs else NULL)

    def __get__(self, instance, owner):
        if instance is None:
            return self
        if instance is owner:  # a classmethod asks, before Python 3.13
            return PyMethod_New(self, instance)
        return PyMethod_New(self.of(instance), instance)

    def __set_name__(self, owner, name):
        self.owners += (owner,)

    cdef CachedFunction of(self, object instance):
        """The same function with the cache of an instance."""
        cdef object found = self.of_instance.get(PyLong_FromVoidPtr(<void *>instance))
        if found is not None:
            return <CachedFunction>(<tuple>found)[1]
        try:
            return self.instances.get(instance, self._fresh)
        except TypeError:
            raise memos.not_weak(self.__qualname__, instance) from None

    def _fresh(self):
        return CachedFunction(self.function, self.key, self.typed, self.options, bound=True)

    def cache_key(self, /, *args, **kwargs):
        """Return the key of a call in `cache`. A method's arguments are without the instance.

        Parameters
        ----------
        *args, **kwargs : object
            The arguments of the call.
        """
        return self.key_of(args, <PyObject *>kwargs if kwargs else NULL, 0)

    def cache_info(self):
        """Return hits, misses, maxsize and currsize; of a method, over all instances."""
        return memos.info(self.cache, self.before, self.instances)

    def cache_clear(self):
        """Forget all results, and what `cache_info` counts; of a method, those of all instances."""
        self.cache.clear()
        self.before = self.cache.stats()
        for each in self.instances.values():
            each.cache_clear()

    def cache_parameters(self):
        """Return what `cached` was told: maxsize, typed, ttl, tti and policy."""
        return memos.parameters(self.cache, self.typed)

    def __reduce__(self):  # copies and pickles are of its name, as of any function
        return self.__qualname__

    def __repr__(self):
        return f"<cached {self.function!r}>"


cdef object call(object self_, object args, PyObject *kwargs):
    """A call: one lookup in the cache, if the result is there."""
    cdef CachedFunction self = <CachedFunction>self_
    cdef fb_age_t age
    cdef uint64_t changes
    cdef object key
    cdef object value
    if PyTuple_GET_SIZE(self.owners) and PyTuple_GET_SIZE(args) and isinstance(args[0], self.owners):
        return call(self.of(args[0]), args, kwargs)  # Class.method(instance)
    if kwargs is not NULL and not <dict>kwargs:
        kwargs = NULL
    key = self.key_of(args, kwargs, self.bound)
    if self.awaited:
        return self.cache.get_or_load_async(key, loader_of(self.function, args, kwargs))
    changes = self.cache.changes
    value = self.cache.lookup(key, <PyObject *>MISSING, &age)
    if value is MISSING:
        value = load(self.cache, key, changes, self.function, args, kwargs)
        if value is not MISSING:
            return value
        return self.cache._flights.load(self.cache, key, loader_of(self.function, args, kwargs))
    if aged(self.cache, &age):
        self.cache._flights.refresh(self.cache, key, loader_of(self.function, args, kwargs))
    return value


# Cython's own slot makes a dict of keyword arguments, if there are any or not.
(<PyTypeObject *>CachedFunction).tp_call = <ternaryfunc><void *>call


def cached(
    maxsize=128, *, key=None, typed=False, ttl=None, tti=None, policy="w-tinylfu", weigher=None, on_remove=None,
    timer=None, refresh_after=None, early_refresh=None, executor=None, seed=None,
):
    """cached(maxsize=128, *, ttl=None, tti=None, key=None, typed=False, policy="w-tinylfu", ...)

    Keep the results of a function, a method or a coroutine function in a `Cache`.

    However many threads and tasks call it with the same arguments, it runs once, and all get the
    result or the error; errors are not kept. ``@cached`` alone is ``@cached()``.

    Parameters
    ----------
    maxsize : int, default 128
        How many results to keep; of a method, for each instance.
    ttl : float, optional
        Seconds after a call at which its result is forgotten.
    tti : float, optional
        Seconds after its last use at which a result is forgotten.
    key : function, optional
        ``key(*args, **kwargs)`` returns the key of a call, any hashable object. Of a method it does
        not get the instance.
    typed : bool, default False
        Whether arguments that are equal, but of different types, make different calls.
    policy : {"w-tinylfu", "lru", "s3-fifo", "sieve"}, default "w-tinylfu"
        Which result is forgotten if there are too many; see `Cache`, also of the following.
    weigher : function, optional
        ``weigher(key, result)``, with the key of a call.
    on_remove : function, optional
        ``on_remove(key, result, cause)``.
    timer : function, optional
        Returns seconds.
    refresh_after : float, optional
        Age in seconds from which a use of a result starts a call in the background.
    early_refresh : float, optional
        The same at random ages near the end of `ttl`.
    executor : concurrent.futures.Executor, optional
        Runs the calls in the background.
    seed : int, optional
        Of the hash that the policy sees.

    Returns
    -------
    CachedFunction
        Called as the function is; `cache`, `cache_info`, `cache_clear`, `cache_key`,
        `cache_parameters`, and ``__wrapped__``, the function itself.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be, or what is decorated no function.

    See Also
    --------
    functools.lru_cache : Without time, weights and single loads; keeps instances of methods alive.

    Notes
    -----
    Without `key`, a call is known by its arguments as they are passed: ``f(1)`` and ``f(x=1)`` are
    two. They must be hashable.

    A method has a cache for each instance, which goes when the instance goes; instances need not be
    hashable, but weakly referable (``__slots__`` without ``__weakref__`` are not). A result that
    refers to its instance keeps it alive. With `staticmethod` and `classmethod`, in either order,
    there is one cache.

    Examples
    --------
    >>> from fastblocks import cached
    >>> @cached(maxsize=1000)
    ... def fib(n):
    ...     return n if n < 2 else fib(n - 1) + fib(n - 2)
    >>> fib(80)
    23416728348467685
    >>> fib.cache_info()
    CacheInfo(hits=78, misses=81, maxsize=1000, currsize=81)
    >>> del fib.cache[fib.cache_key(80)]
    """
    options = {
        "ttl": ttl, "tti": tti, "policy": policy, "weigher": weigher, "on_remove": on_remove, "timer": timer,
        "refresh_after": refresh_after, "early_refresh": early_refresh, "executor": executor, "seed": seed,
    }
    return memos.decorator(CachedFunction, maxsize, key, typed, options)
