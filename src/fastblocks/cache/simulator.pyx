"""Hit ratios of a cache on a trace."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint64_t

from fastblocks._core import caches, traces

from fastblocks._core.arrays cimport data_of
from fastblocks._core.status cimport check_status, fb_status_t

cdef extern from "cache/simulate.h" nogil:
    ctypedef enum fb_policy_kind_t:
        FB_POLICY_W_TINYLFU
    ctypedef struct fb_trace_t:
        pass
    fb_status_t fb_trace_init(fb_trace_t *t, const uint64_t *keys, size_t n)
    void fb_trace_free(fb_trace_t *t)
    fb_status_t fb_simulate_trace(const fb_trace_t *t, fb_policy_kind_t kind, uint64_t maxsize, uint64_t seed,
                                  uint64_t *hits)
    fb_status_t fb_simulate_trace_opt(const fb_trace_t *t, uint64_t maxsize, uint64_t *hits)


def simulate(trace, sizes, policy="w-tinylfu", seed=0):
    """Return the hit ratios that caches of some sizes would have on a trace.

    Each request of the trace is a get that is followed by a set if it missed. The policy is the very
    code that `Cache` runs.

    Parameters
    ----------
    trace : array or iterable of int, shape (n,)
        The keys in the order of their requests: integers of any width, in ``[-2**63, 2**64)``;
        n in ``[1, 2**32 - 1)``. ``-1`` and ``2**64 - 1`` are one key. Number other keys first.
    sizes : int or sequence of int
        Numbers of entries, each in ``[1, 2**31)``.
    policy : {"w-tinylfu", "lru", "s3-fifo", "sieve", "opt"}, default "w-tinylfu"
        ``"opt"`` knows the future: it evicts the entry that is requested last (Belady's MIN), and no
        cache that stores every value it is given has more hits.
    seed : int, default 0
        Of the hash, in ``[0, 2**64)``. Decisions of ``"w-tinylfu"`` depend on it a little, as those
        of two caches do, and of ``"s3-fifo"`` only where hashes collide.

    Returns
    -------
    float or ndarray of float64, shape (len(sizes),)
        The share of requests that were hits, at each size; a ``float`` if `sizes` is an ``int``.

    Raises
    ------
    TypeError
        If the trace or the sizes are not integers, or another argument is of the wrong type.
    ValueError
        If the trace is empty, too long, not 1-D or has nulls, or another argument is out of range.

    Notes
    -----
    O(n) for each size, O(n log size) for ``"opt"``, with the GIL released. The call takes 12 bytes
    for each request (``"opt"``: 16), 16 to 32 for each different key, and 24 to 48 for each entry.

    References
    ----------
    .. [1] L. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
       Journal 5(2), 1966.

    Examples
    --------
    >>> from fastblocks.cache import simulate
    >>> loop = list(range(100)) * 50
    >>> for policy in ("lru", "w-tinylfu", "opt"):
    ...     print(policy, simulate(loop, [50, 99, 100], policy).round(2))
    lru [0.   0.   0.98]
    w-tinylfu [0.48 0.88 0.98]
    opt [0.49 0.97 0.98]
    """
    given = traces.simulation(trace, sizes, policy, seed)
    cdef bint opt = given.policy == "opt"
    cdef fb_policy_kind_t kind = <fb_policy_kind_t><int>(0 if opt else caches.POLICIES.index(given.policy))
    cdef const uint64_t *keys = <const uint64_t *>data_of(given.keys)
    cdef size_t n = len(given.keys)
    cdef uint64_t size, hits = 0, seed_ = given.seed
    cdef fb_status_t status
    cdef fb_trace_t t
    cdef list counts = []
    with nogil:
        status = fb_trace_init(&t, keys, n)
    check_status(status, "simulate")
    try:
        for size in given.sizes:
            PyErr_CheckSignals()
            with nogil:
                if opt:
                    status = fb_simulate_trace_opt(&t, size, &hits)
                else:
                    status = fb_simulate_trace(&t, kind, size, seed_, &hits)
            check_status(status, "simulate")
            counts.append(hits)
    finally:
        fb_trace_free(&t)
    return given.hit_ratios(counts)
