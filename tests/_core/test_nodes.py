"""Nodes: what names and weights are taken, and their bytes."""

import collections
import math
import random
import struct
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastblocks._core.errors import UnknownNodeError
from fastblocks._core.nodes import (
    MAX_NODES,
    Node,
    checked_weight,
    node_list,
    node_name,
    pack_nodes,
    position,
    unpack_nodes,
)

A, B = Node("a", 1.0), Node("b", 2.0)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        (["a", ("b", 2)], None),
        ([["a", 1.0], ("b", np.int64(2))], None),
        ({"a": 1, "b": 2}, None),
        (types.MappingProxyType({"a": 1, "b": 2}), None),
        (collections.OrderedDict(a=1, b=2), None),
        (iter(["a", "b"]), {"b": 2}),
        (("a", "b"), [1, 2]),
        (("a", "b"), iter((1, 2))),
        (np.array(["a", "b"]), np.array([1, 2], np.uint8)),
        ({"a": None, "b": None}.keys(), {"b": 2, "a": True + 0}),
    ],
)
def test_nodes_in_every_form(nodes, weights):
    result = node_list(nodes, weights)
    assert result == [A, B]
    assert all(type(node.name) is str and type(node.weight) is float for node in result)


def test_zones():
    zones = {"b": "y", "a": "x"}
    assert node_list(["a", "b"], [1, 2], zones) == [A._replace(zone="x"), B._replace(zone="y")]
    assert node_list([], None, {}) == []


def test_errors_of_an_iterable_are_its_own():
    def nodes():
        yield "a"
        raise TypeError("from within")

    with pytest.raises(TypeError, match=r"^from within$"):
        node_list(nodes())


def test_bad_nodes_leave_what_they_were_given_alone():
    names = ["a", "b", "a"]
    with pytest.raises(ValueError, match=r"^nodes\[2\]: node 'a' is there twice$"):
        node_list(names)
    assert names == ["a", "b", "a"]
    with pytest.raises(
        ValueError, match=f"^nodes must be {MAX_NODES} at most, not {MAX_NODES + 1}$"
    ):
        node_list(["a"] * (MAX_NODES + 1))
    with pytest.raises(ZeroDivisionError):
        node_list(1 / 0 for _ in "a")


@pytest.mark.parametrize("value", [1, 2.5, np.float32(3), np.int8(4), 5e-324, 1.7e308, 2**1000])
def test_weights(value):
    weight = checked_weight(value)
    assert type(weight) is float
    assert weight == value


@pytest.mark.parametrize("value", [0, -0.0, -1, math.nan, math.inf, -math.inf, 10**309, np.nan])
def test_weights_out_of_range(value):
    with pytest.raises(ValueError, match=r"^w must be above 0 and finite, not "):
        checked_weight(value, "w")


@pytest.mark.parametrize("value", ["1", b"1", None, True, [1], {}, 1j, np.ones(2)])
def test_weights_of_another_type(value):
    with pytest.raises(TypeError, match=f"^w must be a number, not {type(value).__name__}$"):
        checked_weight(value, "w")


def test_names():
    class Name(str):
        __slots__ = ()

    for text in ("a", "é" * 2048, "\0", "x" * 4096):
        assert node_name(text) == text
        assert type(node_name(Name(text))) is str
    for text, size in (("", 0), ("x" * 4097, 4097), ("é" * 2049, 4098)):
        with pytest.raises(
            ValueError, match=rf"^n must have 1 to 4096 bytes of UTF-8, not {size}$"
        ):
            node_name(text, "n")
    with pytest.raises(UnicodeEncodeError):
        node_name("\udcff")


def test_position():
    assert position(("a", "b"), "b") == 1
    with pytest.raises(UnknownNodeError, match=r"^node 'c' is not there$"):
        position(("a", "b"), "c")
    with pytest.raises(TypeError, match="node must be a str, not bytes"):
        position(("a", "b"), b"a")


# ---- serialised ------------------------------------------------------------------------------

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
weights = st.floats(5e-324, 1.7e308)


@given(
    nodes=st.lists(st.tuples(names, weights, names), unique_by=lambda n: n[0], max_size=8),
    zoned=st.booleans(),
    rest=st.binary(max_size=20),
)
def test_round_trip(nodes, zoned, rest):
    nodes = [Node(name, weight, zone if zoned else None) for name, weight, zone in nodes]
    data = pack_nodes(nodes)
    assert len(data) % 8 == 0
    assert unpack_nodes(data + rest) == (nodes, len(data))
    for end in range(len(data)):
        assert unpack_nodes(data[:end]) is None


def test_layout_is_pinned():
    assert pack_nodes([Node("é", 0.5, "zz"), Node("b", 2.0, "y")]) == (
        struct.pack("<QQ2d4Q", 2, 2, 0.5, 2.0, 2, 1, 2, 1) + "ébzzy".encode() + bytes(2)
    )


@pytest.mark.parametrize("zone", [None, "x"])
def test_damaged_bytes_are_refused_or_mean_other_nodes(zone):
    nodes = [Node("a", 1.0, zone), Node("bé", 2.5, zone), Node("ccccccc", 0.1, zone)]
    data = pack_nodes(nodes)
    rng = random.Random(3)
    taken = 0
    for at in range(len(data)):
        for value in (0, 1, 2, 3, 127, 128, 255, rng.randrange(256)):
            damaged = bytearray(data)
            damaged[at] = value
            result = unpack_nodes(bytes(damaged))
            if result is None:
                continue
            taken += 1
            others, end = result
            assert pack_nodes(others) == damaged[:end]  # there is one way to write them
            assert node_list([(n.name, n.weight) for n in others]) == [
                n._replace(zone=None) for n in others
            ]
    assert taken > 50


@pytest.mark.parametrize(
    ("weights", "texts", "n_zoned"),
    [
        ([1, 1], ["a", "a"], 0),  # twice
        ([0], ["a"], 0),
        ([-1], ["a"], 0),
        ([math.nan], ["a"], 0),
        ([math.inf], ["a"], 0),
        ([1], [""], 0),
        ([1], ["x" * 4097], 0),
        ([1], ["a", ""], 1),  # its zone
        ([1, 1], ["a", "b", "z"], 1),  # a zone for one of two
        ([1], ["a", "y", "z"], 2),
    ],
)
def test_nodes_that_make_no_sense(weights, texts, n_zoned):
    data = struct.pack(f"<QQ{len(weights)}d", len(weights), n_zoned, *weights)
    data += struct.pack(f"<{len(texts)}Q", *map(len, texts)) + "".join(texts).encode()
    assert unpack_nodes(data + bytes(-len(data) % 8)) is None


@pytest.mark.parametrize("n", [MAX_NODES + 1, 2**40, 2**64 - 1])
def test_huge_numbers_are_refused_before_memory_is_asked_for(n):
    assert unpack_nodes(struct.pack("<QQ", n, 0) + bytes(100)) is None
    assert unpack_nodes(struct.pack("<QQ", n, n) + bytes(100)) is None
    assert unpack_nodes(struct.pack("<QQdQ", 1, 0, 1.0, n) + b"aaaaaaaa") is None
