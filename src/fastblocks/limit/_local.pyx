"""Storages of limits that this process reaches by itself."""

from fastblocks._core import limits
from fastblocks._core.rates import Rule, checked_rules

from fastblocks._core.cpu cimport fb_cpu_level
from fastblocks._core.keys cimport hash_key

cdef extern from "limit/rules.h" nogil:
    bint fb_limit_rule(fb_limit_rule_t *rule, fb_limit_kind_t kind, uint64_t limit, uint64_t count,
                       uint64_t period)


cdef fb_limit_rules_t rules_of(int kind, object rules) except *:
    cdef fb_limit_rules_t result
    cdef unsigned i
    checked = checked_rules(kind, rules)
    result.kind = <fb_limit_kind_t>kind
    result.n = len(checked)
    for i in range(result.n):
        limit, count, period = checked[i]
        if not fb_limit_rule(&result.rule[i], result.kind, limit, count, period):
            raise ValueError("a rule is out of range")
    return result


cdef class LocalStorage(Flat):
    def bind(self, kind, rules):
        """Make it the storage of limiters of a strategy and its rules; limiters call it.

        Parameters
        ----------
        kind : int
            Of the strategy.
        rules : sequence of Rule

        Raises
        ------
        ValueError
            If it is the storage of a limiter of another strategy or rate.
        """
        cdef fb_limit_rules_t wanted = rules_of(kind, rules)
        self.check_writable("bind")
        with self.whole:
            if not self.made:
                raise limits.not_made(self)
            if self.rules.n == 0:
                self.rules = wanted
                try:
                    self.begin()
                except BaseException:
                    self.rules.n = 0
                    raise
            else:
                limits.check_binding((self.rules.kind, self.bound_rules()), kind, rules)

    def bound_rules(self):
        """Return the rules of the limiters that use it.

        Returns
        -------
        tuple of Rule
            Empty if there was none yet.
        """
        cdef unsigned i
        found = []
        for i in range(self.rules.n):
            rule = self.rules.rule[i]
            found.append(Rule(rule.limit, rule.count, rule.period))
        return tuple(found)

    def token(self, key):
        """Return what a key is known by: its hash.

        Parameters
        ----------
        key : str, bytes, bytearray, memoryview or int

        Returns
        -------
        int
        """
        return hash_key(key, self._seed)

    def decide(self, token, now, cost, spend):
        """Judge one call of a key; limiters call it.

        Parameters
        ----------
        token : int
            What `token` gave.
        now : int
            Nanoseconds on the clock of the limiter, in ``±9 * 10**18``.
        cost : int
        spend : bool
            Whether the call counts if it is allowed.

        Returns
        -------
        tuple of (bool, int, int, int, int)
            Allowed, limit, remaining, and in nanoseconds the wait for the same call (-1 if none is
            enough) and for a whole quota.
        """
        cdef fb_limit_verdict_t v
        self.check_writable("decide")
        if self.rules.n == 0:
            raise RuntimeError("storage is not in use by a limiter yet")
        cdef bint allowed = self.call(token, limits.time_of(now), limits.cost_of(cost), spend, &v)
        return bool(allowed), v.limit, v.remaining, v.retry, v.reset

    def forget(self, token):
        """Make a key's quota whole again; limiters call it.

        Parameters
        ----------
        token : int
            What `token` gave.
        """
        self.check_writable("forget")
        if self.rules.n:
            self.forget_hash(token)

    @property
    def max_keys(self):
        """How many keys it holds at most."""
        return self._max_keys

    cdef bint call(self, uint64_t h, int64_t now, uint64_t cost, bint spend,
                   fb_limit_verdict_t *out) except -1:
        raise NotImplementedError

    cdef int call_keys(self, KeyBatch batch, int64_t now, const uint64_t *costs, uint64_t cost,
                       cbool *out, size_t *done) except -1:
        raise NotImplementedError

    cdef int forget_hash(self, uint64_t h) except -1:
        raise NotImplementedError

    cdef int begin(self) except -1:
        return 0


fb_cpu_level()
