"""The cache."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from collections.abc import KeysView, Mapping, MutableMapping
from types import GenericAlias

from fastblocks._core import caches

from ._entries cimport BY_DEFAULT, KEEP, SET, fb_age_t, fb_set_t
from ._loading cimport aged, load
from ._many cimport (
    bytes_of, iterate, pop_next, put_all, remove_all, remove_dead, remove_tagged, remove_where, resize, revive,
    snapshot,
)

cdef object MISSING = caches.MISSING


@cython.collection_type("mapping")
cdef class Cache(Entries):
    """Cache(maxsize, *, ttl=None, tti=None, weigher=None, on_remove=None, policy="w-tinylfu", timer=None, \
refresh_after=None, early_refresh=None, executor=None, seed=None)\n--\n\n\
    A cache of any objects under any hashable keys, in manners of a dict, bounded by size, time or both.

    Parameters
    ----------
    maxsize : int
        How many entries to hold at most, in ``[1, 2**31)``; with a `weigher` the sum of their weights,
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
    "w-tinylfu", up to 96 if it has no more than 36,864, and 4 to 12 kB in any case; see `nbytes`. There is room for
    ``9 * 2**27`` entries at most, whatever they weigh.

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

    def __init__(self, maxsize, *, ttl=None, tti=None, weigher=None, on_remove=None, policy="w-tinylfu",
                 timer=None, refresh_after=None, early_refresh=None, executor=None, seed=None):
        self.check_new()
        self.start(caches.parameters(
            maxsize, ttl=ttl, tti=tti, weigher=weigher, on_remove=on_remove, policy=policy, timer=timer,
            refresh_after=refresh_after, early_refresh=early_refresh, executor=executor, seed=seed,
        ), weigher, on_remove, timer)
        self._executor = executor
        self._ttl = ttl
        self._tti = tti
        self._refresh_after = refresh_after
        self._early_refresh = early_refresh

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
        return self.lookup(key, <PyObject *>default, NULL)

    def __getitem__(self, key):
        cdef object value = self.lookup(key, <PyObject *>MISSING, NULL)
        if value is MISSING:
            return caches.missing(self, key)
        return value

    def __setitem__(self, key, value):
        self.put(key, value)

    def __delitem__(self, key):
        if self.drop(key) is MISSING:
            raise KeyError(key)

    def __contains__(self, key):
        return self.look(key) is not MISSING

    def __len__(self):
        remove_dead(self)
        return self.core.policy.n_entries

    def __iter__(self):
        return iterate(self, False)

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self._pairs()) == dict(other.items())

    def _pairs(self):
        return iterate(self, True)

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
        return pop_next(self)

    def setdefault(self, key, default=None):
        """The value of `key`, which becomes `default` if it is not there. A request. O(1).

        Parameters
        ----------
        key : object
            Hashable.
        default : object, optional
            Set if `key` is not there.
        """
        cdef object value = self.lookup(key, <PyObject *>MISSING, NULL)
        return self.put_as(key, default, BY_DEFAULT, &KEEP, (), None) if value is MISSING else value

    def update(self, other=(), /, **entries):
        """Sets the entries of a mapping, or of an iterable of pairs, and those given by name.

        Parameters
        ----------
        other : mapping or iterable of pairs, optional
            Keys and values.
        entries : object
            Values of keys that are names.
        """
        put_all(self, caches.pairs_of(other), BY_DEFAULT, ())
        put_all(self, entries.items(), BY_DEFAULT, ())

    def clear(self):
        """Removes everything. The policy forgets what it learnt; the statistics stay. O(n)."""
        remove_all(self)

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
        self.put_as(key, value, life_of(ttl), &SET, caches.tags_of(tags), None)

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
        put_all(self, caches.pairs_of(items), life, tags)

    def get_many(self, keys):
        """A dict of those of `keys` that are there, in their order. Each is a request. O(number).

        Parameters
        ----------
        keys : iterable
            Of hashable objects.
        """
        cdef dict found = {}
        for key in caches.keys_of(keys):
            value = self.lookup(key, <PyObject *>MISSING, NULL)
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
        return remove_tagged(self, caches.tag_of(tag))

    def invalidate_where(self, predicate):
        """Removes the entries for which ``predicate(key, value)`` is true, and returns how many. O(n).

        The predicate may take its time and use the cache: an entry that gets another value meanwhile
        stays.

        Parameters
        ----------
        predicate : function
            Called with the key and the value of every entry, before any is removed.
        """
        caches.function("predicate", predicate)
        return remove_where(self, predicate)

    def expire(self):
        """Removes every entry that is dead, and returns how many.

        There is no need to call it: the dead are never shown, and leave with the next insertions.
        """
        return remove_dead(self)

    def resize(self, maxsize):
        """Changes `maxsize`; evicts by the policy until the rest fits. O(evicted).

        Parameters
        ----------
        maxsize : int
            As of the constructor.
        """
        resize(self, caches.maxsize_of(maxsize, self._weigher is not None))

    # ---- loading ----------------------------------------------------------------------------

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
        cdef object value = self.lookup(key, <PyObject *>MISSING, &age)
        if value is MISSING:
            value = load(self, key, changes, loader, None, NULL)
            return self._flights.load(self, key, loader) if value is MISSING else value
        if aged(self, &age):
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
        cdef object value = self.lookup(key, <PyObject *>MISSING, &age)
        if value is MISSING:
            return await self._flights.load_async(self, key, loader)
        if aged(self, &age):
            self._flights.refresh_async(self, key, loader)
        return value

    def _put_loaded(self, key, value, flight, load_ns):
        """Stores what was loaded, unless the key was set or removed meanwhile."""
        cdef fb_set_t how = SET
        how.load = load_ns
        self.put_as(key, value, BY_DEFAULT, &how, (), flight)

    # ---- what it is -------------------------------------------------------------------------

    @property
    def maxsize(self):
        """The largest sum of weights; of entries, if they are not weighed."""
        return self.core.policy.maxsize

    @property
    def currsize(self):
        """The sum of the weights of the entries; their number, if they are not weighed."""
        remove_dead(self)
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
        return caches.POLICIES[<int>self.core.policy.kind]

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
        return bytes_of(self)

    def stats(self):
        """`CacheStats`: what became of the requests so far."""
        with cython.critical_section(self):
            self.begin()
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
        return snapshot(self), getattr(self, "__dict__", None)

    def __setstate__(self, state):
        entries, attributes = state
        if attributes:
            self.__dict__.update(attributes)
        for key, value, weight, tags, ages in entries:
            revive(self, key, value, weight, tags, ages)

    def __reduce__(self):
        arguments = {name: getattr(self, name) for name in caches.ARGUMENTS}
        return caches.remade, (Cache, type(self), arguments), self.__getstate__()

    def __copy__(self):
        return caches.copied(self)

    def __deepcopy__(self, memo):
        return caches.copied(self, memo)


cdef int64_t life_of(object ttl) except? 0:
    return BY_DEFAULT if ttl is None else caches.ttl_ns(ttl)


MutableMapping.register(Cache)
