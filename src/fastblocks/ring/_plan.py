"""What moves when the nodes of a ring change: the logic of ``python -m fastblocks.ring plan``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastblocks._core.nodes import Nodes, Weights
from fastblocks._core.rings import MovedRange

from .hash_ring import HashRing

__all__ = ["Move", "Plan", "Share", "Spec", "common", "keys_of", "make", "parse", "ring_of"]

PARAMETERS = ("vnodes", "hash", "seed")
ALLOWED = ("nodes", "weights", *PARAMETERS)
CHUNK = 100_000


@dataclass(frozen=True)
class Spec:
    """Nodes as told by the command line or a file, and the parameters told with them."""

    nodes: Nodes
    weights: Weights | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """What goes from one node to another; None stands for a ring without nodes."""

    from_node: str | None
    to_node: str | None
    share: float
    keys: int


@dataclass(frozen=True)
class Share:
    """What a node has before and after; its keys, of those that were given."""

    node: str
    before: float
    after: float
    keys_before: int
    keys_after: int


@dataclass(frozen=True)
class Plan:
    """How two rings differ."""

    moves: tuple[Move, ...]
    nodes: tuple[Share, ...]
    ranges: tuple[MovedRange, ...]
    share: float
    keys: int | None
    keys_moved: int


# ---- what is given -------------------------------------------------------------------------------


def parse(text: str) -> Spec:
    """Return what `text` tells: a file, or nodes such as ``a,b=2,c``.

    Raises
    ------
    ValueError, TypeError
        Naming what is wrong.
    OSError
        If the file cannot be read.
    """
    if text.endswith(".json") or os.path.isfile(text):  # which a long list of nodes is not
        return _parse_json(Path(text).read_bytes(), text)
    return Spec([_parse_node(part.strip()) for part in text.split(",")] if text else [])


def _parse_node(text: str) -> str | tuple[str, float]:
    name, equals, number = text.rpartition("=")
    if not equals:
        return text
    try:
        return name, float(number)
    except ValueError:
        raise ValueError(f"the weight of node {name!r} must be a number, not {number!r}") from None


def _parse_json(data: bytes, path: str) -> Spec:
    try:
        value = json.loads(data, object_pairs_hook=_distinct)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if isinstance(value, list):
        return Spec(value)
    if not isinstance(value, dict) or "nodes" not in value:
        raise ValueError(f'{path} must hold a list of nodes, or an object with "nodes"')
    for name in value:
        if name not in ALLOWED:
            raise ValueError(f"{path}: {name!r} is none of {', '.join(ALLOWED)}")
    told = {name: value[name] for name in PARAMETERS if name in value}
    return Spec(value["nodes"], value.get("weights"), told)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, of which Python would keep the last of equal names."""
    result = dict(pairs)
    if len(result) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{name!r} is there twice")
    return result


def common(old: Spec, new: Spec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of both rings: those given, or else those told by either.

    Raises
    ------
    ValueError
        If the rings are told different ones.
    """
    result = {}
    for name in PARAMETERS:
        told = [spec.parameters[name] for spec in (old, new) if name in spec.parameters]
        if given.get(name) is not None:
            result[name] = given[name]
        elif told:
            if told[0] != told[-1]:
                raise ValueError(f"{name} differs: {told[0]!r} in OLD, {told[-1]!r} in NEW")
            result[name] = told[0]
    return result


def ring_of(spec: Spec, parameters: Mapping[str, Any]) -> HashRing:
    """Return the ring of a `Spec`."""
    return HashRing(spec.nodes, weights=spec.weights, **parameters)


def keys_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield one key per line; empty lines are none."""
    for line in file:
        key = line.rstrip(b"\r\n")
        if key:
            yield key


# ---- what follows --------------------------------------------------------------------------------


def make(old: HashRing, new: HashRing, keys: Iterable[bytes] | None = None) -> Plan:
    """Return how two rings differ, and how many of `keys` that makes move."""
    diff = old.diff(new)
    counts = Counter[tuple[str | None, str | None]]()
    for chunk in _chunks(keys or ()):
        counts.update(_pairs(old, new, chunk))
    moved = {pair: n for pair, n in counts.items() if pair[0] != pair[1]}
    before, after = Counter[str | None](), Counter[str | None]()
    for (from_node, to_node), n in counts.items():
        before[from_node] += n
        after[to_node] += n
    old_shares, new_shares = _shares(old), _shares(new)
    return Plan(
        moves=tuple(Move(*pair, share, moved.get(pair, 0)) for pair, share in diff.moves.items()),
        nodes=tuple(
            Share(
                node,
                old_shares.get(node, 0.0),
                new_shares.get(node, 0.0),
                before[node],
                after[node],
            )
            for node in dict.fromkeys((*old.nodes, *new.nodes))
        ),
        ranges=diff.ranges,
        share=diff.share,
        keys=None if keys is None else counts.total(),
        keys_moved=sum(moved.values()),
    )


def _shares(ring: HashRing) -> dict[str | None, float]:
    """Every node's share of the hashes: what moves from a ring without nodes."""
    empty = HashRing(vnodes=ring.vnodes, hash=ring.hash, seed=ring.seed)  # type: ignore[arg-type]
    return {node: share for (_, node), share in empty.diff(ring).moves.items()}


def _chunks(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(keys)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _pairs(
    old: HashRing, new: HashRing, keys: list[bytes]
) -> dict[tuple[str | None, str | None], int]:
    """How many keys have which node before and after."""
    indices = [ring.get_many(keys) if len(ring) else np.full(len(keys), -1) for ring in (old, new)]
    pairs, counts = np.unique(np.stack(indices), axis=1, return_counts=True)
    names = [(*ring.nodes, None) for ring in (old, new)]  # -1 is None
    return {
        (names[0][a], names[1][b]): n
        for a, b, n in zip(*pairs.tolist(), counts.tolist(), strict=True)
    }
