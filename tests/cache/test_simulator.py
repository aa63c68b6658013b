"""`simulate`: native and pure agree, OPT is the best there is, LRU is what everybody knows."""

from collections import OrderedDict
from functools import cache
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastblocks
import fastblocks.pure
from fastblocks._core.caches import POLICIES
from fastblocks._core.traces import SIMULATED
from tests.threads import THREADS, run_together

SIZES = [1, 2, 3, 10, 30, 99, 300, 2**31 - 1]


@pytest.fixture
def simulate(impl):
    return impl.cache.simulate


def zipf(n, keys, seed=1, power=1.0):
    weights = np.arange(1, keys + 1) ** -power
    return np.random.default_rng(seed).choice(keys, n, p=weights / weights.sum())


def mixed(n, seed=1):
    """Hot keys, a loop and keys that come once."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, n)
    keys = np.array([zipf(n, 200, seed), 1000 + np.arange(n) % 150, 10**6 + np.arange(n)])
    return keys[kinds, np.arange(n)]


# ---- the answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", SIMULATED)
@pytest.mark.parametrize("trace", [zipf(2500, 500), mixed(2500)], ids=["zipf", "mixed"])
def test_native_is_pure(policy, trace):
    for seed in (0, 2**64 - 1):
        native = fastblocks.cache.simulate(trace, SIZES, policy, seed)
        pure = fastblocks.pure.cache.simulate(trace, SIZES, policy, seed)
        assert native.tolist() == pure.tolist()
        assert native.dtype == pure.dtype == np.float64


@pytest.mark.parametrize("policy", SIMULATED)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.lists(st.integers(1, 14)),
    st.integers(0, 2**64 - 1),
)
def test_native_is_pure_on_any_trace(policy, trace, sizes, seed):
    native = fastblocks.cache.simulate(trace, sizes, policy, seed)
    pure = fastblocks.pure.cache.simulate(trace, sizes, policy, seed)
    assert native.tolist() == pure.tolist()


def best_hits(trace, size):
    """The most hits, by trying every eviction."""

    @cache
    def best(i, held):
        if i == len(trace):
            return 0
        key = trace[i]
        if key in held:
            return 1 + best(i + 1, held)
        if len(held) < size:
            return best(i + 1, held | {key})
        return max(best(i + 1, held - {out} | {key}) for out in held)

    return best(0, frozenset())


def test_opt_tries_every_eviction(simulate):
    random = np.random.default_rng(3)
    for _ in range(150):
        trace = random.integers(0, random.integers(1, 8), random.integers(1, 25)).tolist()
        for size in (1, 2, 3, 4):
            assert simulate(trace, size, "opt") == best_hits(trace, size) / len(trace)


def test_opt_tries_every_eviction_on_all_short_traces(simulate):
    for trace in product(range(3), repeat=6):
        assert simulate(trace, 2, "opt") == best_hits(trace, 2) / 6


def test_nothing_beats_opt(simulate, policy):
    for trace in (zipf(3000, 300, power=0.7), mixed(3000)):
        sizes = [1, 7, 40, 200]
        assert (simulate(trace, sizes, policy) <= simulate(trace, sizes, "opt")).all()


def lru_hits(trace, size):
    held, hits = OrderedDict(), 0
    for key in trace.tolist():
        hits += key in held
        held[key] = None
        held.move_to_end(key)
        if len(held) > size:
            held.popitem(last=False)
    return hits


def test_lru_is_an_ordered_dict(simulate):
    for trace in (zipf(3000, 300), mixed(3000)):
        ratios = simulate(trace, SIZES, "lru")
        assert ratios.tolist() == [lru_hits(trace, size) / 3000 for size in SIZES]


def test_a_cache_has_the_same_hits(impl, policy):
    """In the mean: the hashes of a `Cache` are others."""
    trace = zipf(4000, 500)
    cache = impl.Cache(50, policy=policy, seed=1)
    for key in trace.tolist():
        if cache.get(key) is None:
            cache[key] = True
    ratio = impl.cache.simulate(trace, 50, policy)
    assert cache.stats().hit_ratio == pytest.approx(ratio, abs=0.03)


def test_all_that_fits_is_kept(simulate, policy):
    trace = mixed(3000)
    keys = len(set(trace.tolist()))
    sizes = [keys, keys + 1, 2**31 - 1]
    assert simulate(trace, sizes, policy).tolist() == [1 - keys / 3000] * 3


def test_seeds(simulate):
    trace = zipf(6000, 1000)
    ratios = {simulate(trace, 60, seed=seed) for seed in range(5)}
    assert len(ratios) > 1  # each has its own collisions
    assert max(ratios) - min(ratios) < 0.03
    assert simulate(trace, 60, seed=3) == simulate(trace, 60, "w-tinylfu", 3)
    assert simulate(trace, 60) == simulate(trace, 60, seed=0)


# ---- traces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", SIMULATED)
@pytest.mark.parametrize("dtype", ["b", "B", "h", "H", "i", "I", "q", "Q", ">i4", ">u8"])
def test_integers_of_any_width(simulate, dtype, policy):
    trace = zipf(500, 100)
    expected = simulate(trace, [5, 20], policy).tolist()
    assert simulate(trace.astype(dtype), [5, 20], policy).tolist() == expected


def test_keys_far_apart_are_numbered_too(simulate):
    """Wide keys go through a hash table, which grows; narrow ones through an array."""
    trace = zipf(4000, 3000, power=0.3)
    for wide in (trace * 2**40, trace.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), -trace):
        for policy in ("lru", "sieve", "opt"):  # that do not depend on the hash
            ratios = simulate(wide, [10, 100, 1000], policy)
            assert ratios.tolist() == simulate(trace, [10, 100, 1000], policy).tolist()


def test_extreme_keys(simulate):
    low, high = -(2**63), 2**63 - 1
    for trace in ([low, high, low], np.array([low, high, low]), [2**63, high, 2**63]):
        assert simulate(trace, [1, 2], "lru").tolist() == [0.0, 1 / 3]
    assert simulate([-1, 2**64 - 1], 1) == 0.5  # one key


def test_arrays_in_any_layout(simulate):
    trace = zipf(600, 100)
    expected = simulate(trace, 10)
    spread = np.zeros(1800, trace.dtype)
    spread[::3] = trace
    frozen = trace.copy()
    frozen.flags.writeable = False
    record = np.zeros(600, [("a", "u1"), ("key", "<i8")])
    record["key"] = trace
    for same in (spread[::3], trace[::-1].copy()[::-1], frozen, record["key"]):
        assert simulate(same, 10) == expected
    assert (trace == zipf(600, 100)).all()  # as it was


def test_sequences(simulate):
    trace = zipf(300, 50)
    expected = simulate(trace, 10)
    for same in (trace.tolist(), tuple(trace), iter(trace.tolist()), list(trace), pa.array(trace)):
        assert simulate(same, 10) == expected
    assert simulate(range(5), 10) == 0.0


@pytest.mark.parametrize(
    ("trace", "error", "message"),
    [
        ([], ValueError, "trace must hold at least one request"),
        (np.array([], np.int64), ValueError, "trace must hold at least one request"),
        (np.zeros((2, 2), int), ValueError, "trace must be a 1-D array, not one of shape (2, 2)"),
        (np.array(3), ValueError, "trace must be a 1-D array, not one of shape ()"),
        (np.array([1.0]), TypeError, "trace must be integers, not of dtype float64"),
        (np.array([True]), TypeError, "trace must be integers, not of dtype bool"),
        (np.array(["a"]), TypeError, "trace must be integers, not of dtype <U1"),
        (
            np.ma.array([1, 2], mask=[False, True]),
            ValueError,
            "trace must not hold nulls: trace[1] is null",
        ),
        ([1, 2.0], TypeError, "trace[1] must be an int, not float"),
        ([1, float("nan")], TypeError, "trace[1] must be an int, not float"),
        ([1, True], TypeError, "trace[1] must be an int, not bool"),
        (["a"], TypeError, "trace[0] must be an int, not str"),
        ([None], TypeError, "trace[0] must be an int, not NoneType"),
        ([[1, 2]], TypeError, "trace[0] must be an int, not list"),
        (
            [2**64],
            ValueError,
            f"trace[0] must be in [{-(2**63)}, {2**64 - 1}], not {2**64}",
        ),
        ("abc", TypeError, "trace must be an array or a sequence of ints, not str"),
        (b"abc", TypeError, "trace must be an array or a sequence of ints, not bytes"),
        (5, TypeError, "trace must be an array or a sequence of ints, not int"),
        (None, TypeError, "trace must be an array or a sequence of ints, not NoneType"),
    ],
)
def test_bad_traces(simulate, trace, error, message):
    with pytest.raises(error) as caught:
        simulate(trace, 1)
    assert str(caught.value) == message


# ---- the other arguments -------------------------------------------------------------------------


def test_sizes(simulate):
    trace = [1, 2, 1, 2]
    ratio = simulate(trace, 2)
    assert ratio == 0.5
    assert type(ratio) is float
    for sizes in ([2, 1], (2, 1), np.array([2, 1], np.uint8), iter([2, np.int64(1)])):
        ratios = simulate(trace, sizes)
        assert ratios.tolist() == [0.5, 0.0]
        assert ratios.dtype == np.float64
    for size in (np.uint8(2), np.array(2)):
        assert simulate(trace, size) == 0.5
    assert simulate(trace, []).shape == (0,)


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        (0, ValueError, "sizes must be in [1, 2147483647], not 0"),
        (-1, ValueError, "sizes must be in [1, 2147483647], not -1"),
        (2**31, ValueError, "sizes must be in [1, 2147483647], not 2147483648"),
        ([1, 0], ValueError, "sizes[1] must be in [1, 2147483647], not 0"),
        (1.0, TypeError, "sizes must be an int, not float"),
        (float("nan"), TypeError, "sizes must be an int, not float"),
        (True, TypeError, "sizes must be an int, not bool"),
        (None, TypeError, "sizes must be an int, not NoneType"),
        ([5, 0.1], TypeError, "sizes[1] must be an int, not float"),
        (np.array([1.5]), TypeError, "sizes[0] must be an int, not float64"),
        (np.array([[1], [2]]), TypeError, "sizes[0] must be an int, not ndarray"),
        ("10%", TypeError, "sizes must be an int or a sequence of ints, not str"),
    ],
)
def test_bad_sizes(simulate, sizes, error, message):
    with pytest.raises(error) as caught:
        simulate([1], sizes)
    assert str(caught.value) == message


def test_bad_policy_and_seed(simulate):
    with pytest.raises(ValueError, match="'s3-fifo', 'sieve' or 'opt', not 'fifo'"):
        simulate([1], 1, "fifo")
    with pytest.raises(TypeError, match="policy must be a str, not NoneType"):
        simulate([1], 1, None)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed must be in"):
            simulate([1], 1, seed=seed)
    with pytest.raises(TypeError, match="seed must be an int, not float"):
        simulate([1], 1, seed=1.0)


# ---- threads -------------------------------------------------------------------------------------


def test_threads(simulate):
    trace = zipf(2000, 300)
    expected = {policy: simulate(trace, [10, 50], policy).tolist() for policy in SIMULATED}

    def run(policy):
        assert simulate(trace, [10, 50], policy).tolist() == expected[policy]

    policies = [SIMULATED[i % len(SIMULATED)] for i in range(THREADS)]
    run_together(*(lambda policy=policy: run(policy) for policy in policies))


def test_a_trace_that_changes_meanwhile_does_no_harm():
    trace = np.arange(200_000)
    done = []

    def change():
        while not done:
            trace[:] = np.roll(trace, 1) * 3
            trace[:] = np.arange(200_000)

    def run():
        try:
            for policy in POLICIES:
                assert 0 <= fastblocks.cache.simulate(trace, 1000, policy) <= 1
        finally:
            done.append(True)

    run_together(change, run)
