"""RendezvousHash: shares, what moves, the order of nodes, the logarithm, bad input."""

import copy
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import fastblocks
import fastblocks.pure
from fastblocks.pure.ring.rendezvous import exponential

KEYS = np.arange(200_000)
NAMES = [f"node-{i}" for i in range(10)]
WEIGHTS = [3, 1, 0.5, 2, 1, 1, 4, 0.25, 1, 7.5]


def make(impl, n=10, weights=None, **options):
    return impl.RendezvousHash([f"node-{i}" for i in range(n)], weights, **options)


def where(nodes, keys=KEYS):
    """The name of the node of every key."""
    return np.array(nodes.nodes)[nodes.get_many(keys)]


# ---- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_ways_to_ask_agree(impl, weights):
    nodes = make(impl, weights=weights)
    keys = ["", "a", "Zürich", b"\xff", 5, -5, 2**64 - 1, bytearray(b"x"), memoryview(b"yz")]
    keys += range(300)
    many = nodes.get_many(keys)
    assert many.dtype == np.int32
    for key, index in zip(keys, many.tolist(), strict=True):
        assert nodes.get_index(key) == index
        assert nodes.get(key) == nodes.nodes[index]
        ranked = nodes.get_n(key, 10)
        assert ranked[0] == nodes.get(key)
        assert sorted(ranked) == sorted(nodes.nodes)
        for n in range(12):
            assert nodes.get_n(key, n) == ranked[:n]


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 16, 17, 40])
def test_native_and_pure_agree(n, weights):
    weights = weights and (WEIGHTS * 4)[:n]
    native, pure = (make(impl, n, weights, seed=n) for impl in (fastblocks, fastblocks.pure))
    keys = np.random.default_rng(n).integers(0, 2**64, 600, dtype=np.uint64)
    assert native.get_many(keys).tolist() == pure.get_many(keys).tolist()
    for key in keys[:30].tolist():
        for want in (1, 2, n // 2, n):
            assert native.get_n(key, want) == pure.get_n(key, want)


def test_batches_of_every_kind(impl):
    nodes = make(impl)
    names = [f"Zürich {i}" for i in range(40)]
    expected = [nodes.get_index(name) for name in names]
    for batch in (names, np.array(names), pa.array(names), pd.Series(names), iter(names)):
        assert nodes.get_many(batch).tolist() == expected
    expected = [nodes.get_index(i) for i in range(40)]
    for dtype in ("i1", "u2", "i4", "u8", ">i8"):
        assert nodes.get_many(np.arange(40).astype(dtype)).tolist() == expected
    out = np.zeros(40, np.int32)
    assert nodes.get_many(range(40), out=out) is out
    assert out.tolist() == expected
    assert nodes.get_many([]).shape == (0,)


def test_seeds_differ_and_nodes_are_told_apart_by_all_of_their_names(impl):
    assert (make(impl, seed=1).get_many(KEYS[:200]) != make(impl).get_many(KEYS[:200])).any()
    for a, b in [("a", "b"), ("a", "a "), ("x" * 4096, "x" * 4095 + "y"), ("ü", "u")]:
        nodes = impl.RendezvousHash([a, b])
        assert 30 < nodes.get_many(KEYS[:200]).sum() < 170


def test_the_order_of_the_nodes_does_not_matter(impl):
    pairs = list(zip(NAMES, WEIGHTS, strict=True))
    a, b = impl.RendezvousHash(pairs), impl.RendezvousHash(pairs[::-1])
    assert [a.get_n(key, 10) for key in range(100)] == [b.get_n(key, 10) for key in range(100)]


# ---- shares ----------------------------------------------------------------------------------


def check_shares(counts, weights):
    """Within a few standard deviations of the binomial distribution each, and together."""
    n = counts.sum()
    shares = np.array(weights) / sum(weights)
    deviations = (counts - n * shares) / np.sqrt(n * shares * (1 - shares))
    assert abs(deviations).max() < (3.5 if len(counts) <= 10 else 4.5)
    chi_square = ((counts - n * shares) ** 2 / (n * shares)).sum()
    assert abs(chi_square - (len(counts) - 1)) < 4 * math.sqrt(2 * len(counts))


NAMINGS = {
    "counted": lambda i: f"node-{i}",
    "addresses": lambda i: f"10.0.{i // 256}.{i % 256}:6379",
    "one letter": lambda i: chr(0x4E00 + i),
    "long": lambda i: "x" * 300 + str(i),
}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_equal_shares(n, naming):
    nodes = fastblocks.RendezvousHash(map(NAMINGS[naming], range(n)))
    for keys in (KEYS, np.random.default_rng(1).integers(0, 2**64, 200_000, dtype=np.uint64)):
        counts = np.bincount(nodes.get_many(keys), minlength=n)
        check_shares(counts, [1] * n)
        if n <= 10:
            assert abs(counts / counts.mean() - 1).max() < 0.03


@pytest.mark.parametrize("weights", [[1, 2], [1, 1, 1, 5], WEIGHTS, [1, 1000], [*range(1, 101)]])
def test_shares_by_weight(weights):
    counts = np.bincount(make(fastblocks, len(weights), weights).get_many(KEYS))
    check_shares(np.resize(counts, len(weights)), weights)


def test_shares_of_strings_and_of_seconds():
    keys = [f"user:{i}" for i in range(50_000)]
    nodes = make(fastblocks, weights=WEIGHTS)
    check_shares(np.bincount(nodes.get_many(keys)), WEIGHTS)
    first, second = zip(*(nodes.get_n(key, 2) for key in keys), strict=True)
    of_heaviest = [b for a, b in zip(first, second, strict=True) if a == "node-9"]
    counts = np.array([of_heaviest.count(name) for name in NAMES[:9]])
    check_shares(counts, WEIGHTS[:9])


@pytest.mark.parametrize("scale", [5e-324, 2.0**-1000, 1e-200, 3.7, 2.0**1000])
def test_only_the_ratios_of_weights_count(impl, scale):
    base = impl.RendezvousHash(NAMES[:3], [1, 2, 4])
    other = impl.RendezvousHash(NAMES[:3], [scale, 2 * scale, 4 * scale])
    assert base.get_many(KEYS[:300]).tolist() == other.get_many(KEYS[:300]).tolist()


def test_extreme_weights(impl):
    nodes = impl.RendezvousHash({"a": 5e-324, "b": 1.7e308, "c": 1e-300, "d": 1.7e308})
    assert set(where(nodes, KEYS[:300])) == {"b", "d"}
    assert all(set(nodes.get_n(key, 2)) == {"b", "d"} for key in range(50))


# ---- what moves ------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_removing_moves_the_keys_of_that_node_to_their_seconds(impl, weights):
    keys = KEYS[: 100_000 if impl is fastblocks else 500]
    nodes = make(impl, weights=weights)
    for name in ("node-3", "node-0", "node-9"):
        before = where(nodes, keys)
        ranked = [nodes.get_n(key, 4) for key in range(200)]
        nodes.remove(name)
        after = where(nodes, keys)
        assert ((before == after) == (before != name)).all()
        for key, names in enumerate(ranked):
            assert nodes.get_n(key, 3) == [other for other in names if other != name][:3]


@pytest.mark.parametrize("weight", [1, 2.5])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_adding_moves_keys_only_to_that_node(impl, weights, weight):
    keys = KEYS[: len(KEYS) if impl is fastblocks else 500]
    nodes = make(impl, weights=weights)
    before = where(nodes, keys)
    nodes.add("new", weight)
    after = where(nodes, keys)
    moved = before != after
    assert set(after[moved]) == {"new"}
    assert nodes.nodes[-1] == "new"
    assert nodes.weights["new"] == weight
    share = weight / sum(nodes.weights.values())
    assert abs(moved.mean() - share) < 4 * math.sqrt(share / len(keys))
    nodes.remove("new")
    assert (where(nodes, keys) == before).all()
    assert nodes == make(impl, weights=weights)


@pytest.mark.parametrize("weight", [0.3, 0.999, 1.001, 5, 3e9])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_another_weight_moves_keys_to_or_from_that_node(impl, weights, weight):
    """From equal weights to others too, where lookups go another way."""
    keys = KEYS[: len(KEYS) if impl is fastblocks else 500]
    changed = list(weights or [1] * 10)
    changed[4] = weight
    before, after = where(make(impl, weights=weights), keys), where(make(impl, 10, changed), keys)
    moved = before != after
    assert set((before if weight < 1 else after)[moved]) <= {"node-4"}
    assert moved.any() or impl is fastblocks.pure


# ---- the logarithm -------------------------------------------------------------------------


def spread(per_octave):
    """Arguments of every size, with their neighbours among what is told apart."""
    rng = np.random.default_rng(6)
    for bits in range(65):
        for c in rng.integers(0, 2**64, per_octave, dtype=np.uint64).tolist():
            c = (c | 1 << 63) >> 64 - bits if bits else 0
            unit = 1 << max(bits - 32, 0)
            yield c
            yield min(c // unit * unit + unit, 2**64 - 1)
            yield max(c // unit * unit - 1, 0)
    borders = [2**64 - 3 * 2**62 // 2**e for e in range(33)]  # where u is 3/4 of a power of 2
    borders += [2**64 - 2**64 // 2**e for e in range(33)]
    for border in borders:
        for step in range(-40, 41):
            yield min(max(border + step * 2**31, 0), 2**64 - 1)


def test_the_logarithm_is_accurate():
    for c in spread(30):
        kept = c >> max(c.bit_length() - 32, 0) << max(c.bit_length() - 32, 0)
        assert math.isclose(exponential(c), -math.log1p(-kept / 2**64), rel_tol=1e-13)
        if c < 2**63:
            assert math.isclose(exponential(c), -math.log1p(-c / 2**64), rel_tol=1e-9)
    assert exponential(0) == 0
    assert 22 < exponential(2**64 - 1) < 23


def test_the_logarithm_is_monotone():
    values = sorted(set(spread(100)))
    costs = [exponential(c) for c in values]
    for i in range(len(values) - 1):
        kept = [
            c >> max(c.bit_length() - 32, 0) << max(c.bit_length() - 32, 0)
            for c in values[i : i + 2]
        ]
        assert costs[i] == costs[i + 1] if kept[0] == kept[1] else costs[i] < costs[i + 1]


# ---- nodes -----------------------------------------------------------------------------------


def test_ways_to_give_nodes(impl):
    expected = impl.RendezvousHash(["a", "b", "c"], [1, 2.5, 1])
    for other in (
        impl.RendezvousHash(["a", ("b", 2.5), "c"]),
        impl.RendezvousHash({"a": 1, "b": 2.5, "c": 1}),
        impl.RendezvousHash(iter("abc"), {"b": 2.5}),
        impl.RendezvousHash(("a", "b", "c"), np.array([1, 2.5, 1])),
    ):
        assert other == expected
    assert expected.nodes == ("a", "b", "c")
    assert expected.weights == {"a": 1.0, "b": 2.5, "c": 1.0}
    assert repr(expected) == "RendezvousHash(3 nodes, seed=0)"
    assert len(expected) == 3
    assert "b" in expected
    assert "d" not in expected
    assert 5 not in expected
    assert expected != impl.RendezvousHash(["a", "b", "c"])
    assert expected != impl.RendezvousHash(["a", "b", "c"], [1, 2.5, 1], seed=1)
    assert expected != "abc"
    assert expected.seed == 0
    assert expected.nbytes > 0
    with pytest.raises(TypeError, match="unhashable"):
        hash(expected)


def test_no_nodes(impl):
    nodes = impl.RendezvousHash([])
    assert (len(nodes), nodes.nodes, nodes.weights) == (0, (), {})
    for call in (
        nodes.get,
        nodes.get_index,
        lambda k: nodes.get_n(k, 1),
        lambda k: nodes.get_many([k]),
    ):
        with pytest.raises(LookupError, match="this RendezvousHash has no nodes"):
            call("a")
    assert nodes.get_many([]).tolist() == []
    nodes.add("only")
    assert nodes.get("a") == "only"
    assert nodes.get_n("a", 5) == ["only"]
    nodes.remove("only")
    assert nodes == impl.RendezvousHash([])


def test_copies_go_their_own_ways(impl):
    nodes = make(impl, weights=WEIGHTS)
    for other in (nodes.copy(), copy.copy(nodes), copy.deepcopy(nodes)):
        assert other == nodes
        other.remove("node-5")
        other.add("x", 3)
        assert other != nodes
        assert nodes == make(impl, weights=WEIGHTS)


# ---- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("abc",), TypeError, "nodes must be an iterable of str, not one str"),
        ((5,), TypeError, "nodes must be an iterable, not int"),
        (([5],), TypeError, r"nodes\[0\] must be a str, not int"),
        ((["a", ""],), ValueError, r"nodes\[1\] must have 1 to 4096 bytes"),
        ((["a", "b", "a"],), ValueError, r"nodes\[2\]: node 'a' is there twice"),
        (([("a", 0)],), ValueError, "the weight of node 'a' must be above 0 and finite, not 0"),
        (([("a", -1.5)],), ValueError, "must be above 0 and finite, not -1.5"),
        (([("a", math.nan)],), ValueError, "must be above 0 and finite, not nan"),
        (([("a", math.inf)],), ValueError, "must be above 0 and finite, not inf"),
        (([("a", "1")],), TypeError, "must be a number, not str"),
        (([("a", True)],), TypeError, "must be a number, not bool"),
        (([("a", 1, 2)],), ValueError, r"nodes\[0\] must be a str or \(str, weight\)"),
        ((["a"], [1, 2]), ValueError, "weights must be 1, as the nodes are, not 2"),
        ((["a"], {"b": 1}), ValueError, "weights: 'b' is not among the nodes"),
        ((["a"], 5), TypeError, "weights must map nodes to numbers"),
        (([("a", 1)], [1]), ValueError, "weights must be None where nodes bring weights"),
    ],
)
def test_bad_nodes(impl, args, error, message):
    with pytest.raises(error, match=message):
        impl.RendezvousHash(*args)


def test_bad_seed(impl):
    for seed, error in ((-1, ValueError), (2**64, ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(error, match="seed must be"):
            impl.RendezvousHash(["a"], seed=seed)
    with pytest.raises(TypeError):
        impl.RendezvousHash(["a"], None, 5)


def test_bad_changes_change_nothing(impl):
    nodes = make(impl)
    data = nodes.to_bytes()
    for call, error, message in [
        (lambda: nodes.add("node-3"), ValueError, "node 'node-3' is there already"),
        (lambda: nodes.add(5), TypeError, "node must be a str, not int"),
        (lambda: nodes.add(""), ValueError, "node must have 1 to 4096 bytes"),
        (lambda: nodes.add("x", 0), ValueError, "weight must be above 0 and finite, not 0"),
        (lambda: nodes.add("x", None), TypeError, "weight must be a number, not NoneType"),
        (lambda: nodes.remove("x"), KeyError, "node 'x' is not there"),
        (lambda: nodes.remove("x"), fastblocks.UnknownNodeError, "node 'x' is not there"),
        (lambda: nodes.remove(5), TypeError, "node must be a str, not int"),
        (lambda: nodes.__init__(["a"]), RuntimeError, "has been initialised already"),
    ]:
        with pytest.raises(error, match=message):
            call()
        assert nodes.to_bytes() == data


def test_bad_keys(impl):
    for nodes in (make(impl), impl.RendezvousHash([])):
        for key, error in ((None, TypeError), (1.5, TypeError), (2**64, OverflowError)):
            for call in (
                nodes.get,
                nodes.get_index,
                lambda k, nodes=nodes: nodes.get_n(k, 2),
                lambda k, nodes=nodes: nodes.get_many([k]),
            ):
                with pytest.raises(error, match="key"):
                    call(key)
    for n, error in ((-1, ValueError), (2**63, ValueError), (1.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n must be"):
            make(impl).get_n("a", n)
    out = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="out must be a writable, C-contiguous int32 array"):
        make(impl).get_many([1, 2], out=out)
    with pytest.raises(TypeError, match="keys must be an array or iterable of keys, not one str"):
        make(impl).get_many("ab")
