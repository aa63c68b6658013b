"""Nodes that keys are given to: names and weights, checked and serialised."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple, TypeAlias

from . import errors

__all__ = [
    "MAX_NODES",
    "Node",
    "Nodes",
    "Weights",
    "checked_weight",
    "node_list",
    "node_name",
    "pack_nodes",
    "position",
    "scaled_weights",
    "unpack_nodes",
]

MAX_NODES = 2**24
MAX_NAME_BYTES = 4096

Nodes: TypeAlias = Iterable[str | tuple[str, float]] | Mapping[str, float]
Weights: TypeAlias = Mapping[str, float] | Iterable[float]


class Node(NamedTuple):
    """A node: its name, its weight, and the zone it stands in, if zones are told apart."""

    name: str
    weight: float
    zone: str | None = None


def node_name(value: Any, what: str = "node") -> str:
    """Return `value` as a ``str`` that can name a node, or raise naming `what`."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    name = str.__str__(value)
    size = len(name.encode())
    if not 0 < size <= MAX_NAME_BYTES:
        raise ValueError(f"{what} must have 1 to {MAX_NAME_BYTES} bytes of UTF-8, not {size}")
    return name


def checked_weight(value: Any, what: str = "weight") -> float:
    """Return `value` as a ``float`` above 0 and finite, or raise naming `what`."""
    if isinstance(value, bool) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    try:
        number = float(value)
    except TypeError:
        raise TypeError(f"{what} must be a number, not {type(value).__name__}") from None
    except OverflowError:
        number = math.inf
    if not 0 < number < math.inf:
        raise ValueError(f"{what} must be above 0 and finite, not {value!r}")
    return number


def node_list(
    nodes: Nodes, weights: Weights | None = None, zones: Mapping[str, str] | None = None
) -> list[Node]:
    """Return nodes as given to a constructor as a list, checked."""
    if isinstance(nodes, (str, bytes)):
        raise TypeError(f"nodes must be an iterable of str, not one {type(nodes).__name__}")
    try:
        items = iter(nodes.items() if isinstance(nodes, Mapping) else nodes)
    except TypeError:
        raise TypeError(f"nodes must be an iterable, not {type(nodes).__name__}") from None
    given = list(items)
    if len(given) > MAX_NODES:
        raise ValueError(f"nodes must be {MAX_NODES} at most, not {len(given)}")
    result: list[Node] = []
    names: set[str] = set()
    weighted = False
    for i, item in enumerate(given):
        weight = 1.0
        if isinstance(item, (tuple, list)):
            if len(item) != 2:
                raise ValueError(f"nodes[{i}] must be a str or (str, weight), not {item!r}")
            item, given_weight = item
            weight = checked_weight(given_weight, f"the weight of node {item!r}")
            weighted = True
        name = node_name(item, f"nodes[{i}]")
        if name in names:
            raise ValueError(f"nodes[{i}]: node {name!r} is there twice")
        names.add(name)
        result.append(Node(name, weight))
    if weights is not None:
        if weighted:
            raise ValueError("weights must be None where nodes bring weights of their own")
        weight_of = _by_name(weights, result)
        result = [node._replace(weight=weight_of.get(node.name, 1.0)) for node in result]
    if zones is not None:
        zone_of = checked_zones(zones, names)
        result = [node._replace(zone=zone_of[node.name]) for node in result]
    return result


def _by_name(weights: Weights, nodes: list[Node]) -> dict[str, float]:
    if isinstance(weights, Mapping):
        names = {node.name for node in nodes}
        for name in weights:
            if name not in names:
                raise ValueError(f"weights: {name!r} is not among the nodes")
        pairs = list(weights.items())
    else:
        if isinstance(weights, (str, bytes, Set)) or not hasattr(weights, "__iter__"):
            kind = type(weights).__name__
            raise TypeError(f"weights must map nodes to numbers, or be as many numbers, not {kind}")
        numbers = list(weights)
        if len(numbers) != len(nodes):
            raise ValueError(f"weights must be {len(nodes)}, as the nodes are, not {len(numbers)}")
        pairs = [(node.name, number) for node, number in zip(nodes, numbers, strict=True)]
    return {name: checked_weight(w, f"the weight of node {name!r}") for name, w in pairs}


def checked_zones(zones: Any, names: set[str]) -> dict[str, str]:
    """Return the zone of each of `names`, or raise if one has none or a stranger has one."""
    if not isinstance(zones, Mapping):
        raise TypeError(f"zones must map nodes to zones, not {type(zones).__name__}")
    for name in zones:
        if name not in names:
            raise ValueError(f"zones: {name!r} is not among the nodes")
    for name in names:
        if name not in zones:
            raise ValueError(f"zones: node {name!r} has no zone")
    return {name: node_name(zone, f"the zone of node {name!r}") for name, zone in zones.items()}


def position(names: Sequence[str], node: Any) -> int:
    """Return the index of a node, or raise if it is none of `names`."""
    name = node_name(node)
    if name not in names:
        raise errors.unknown_node(name)
    return names.index(name)


def scaled_weights(nodes: Sequence[Node]) -> list[float]:
    """Return the weights times a power of 2, which is exact, so that the largest is in [1/2, 1).

    Weights that are nothing beside it become ``2**-1000``.
    """
    by = -math.frexp(max((node.weight for node in nodes), default=1.0))[1]
    return [max(math.ldexp(node.weight, by), 2.0**-1000) for node in nodes]


# ---- serialised ------------------------------------------------------------------------------

HEAD = struct.Struct("<QQ")  # number of nodes, of which with a zone


def pack_nodes(nodes: Sequence[Node]) -> bytes:
    """Return nodes as bytes, a multiple of 8: weights, lengths of names and zones, the texts."""
    zoned = [node for node in nodes if node.zone is not None]
    texts = [node.name.encode() for node in nodes]
    texts += [node.zone.encode() for node in zoned if node.zone is not None]
    parts = [
        HEAD.pack(len(nodes), len(zoned)),
        struct.pack(f"<{len(nodes)}d", *(node.weight for node in nodes)),
        struct.pack(f"<{len(texts)}Q", *map(len, texts)),
        *texts,
    ]
    data = b"".join(parts)
    return data + bytes(-len(data) % 8)


def unpack_nodes(data: bytes) -> tuple[list[Node], int] | None:
    """Return the nodes at the start of `data` and where they end; None if they make no sense."""
    if len(data) < HEAD.size:
        return None
    n, n_zoned = HEAD.unpack_from(data)
    if n > MAX_NODES or n_zoned not in (0, n) or len(data) < HEAD.size + 8 * (2 * n + n_zoned):
        return None
    weights = struct.unpack_from(f"<{n}d", data, HEAD.size)
    lengths = struct.unpack_from(f"<{n + n_zoned}Q", data, HEAD.size + 8 * n)
    at = HEAD.size + 8 * (2 * n + n_zoned)
    texts = []
    for length in lengths:
        try:
            texts.append(node_name(data[at : at + length].decode()))
        except ValueError:
            return None
        if len(texts[-1].encode()) != length:
            return None
        at += length
    end = at + -at % 8
    if len(data) < end or any(data[at:end]):
        return None
    names = texts[:n]
    zones: Sequence[str | None] = texts[n:] or [None] * n
    if len(set(names)) != n or not all(0 < weight < math.inf for weight in weights):
        return None
    return list(map(Node, names, weights, zones)), end
