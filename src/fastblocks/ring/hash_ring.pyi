from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from fastblocks._core.nodes import Nodes, Weights
from fastblocks._core.rings import RingDiff
from fastblocks._core.types import Key

from ._nodes import NodeMap, Table

@disjoint_base
class Ring(Table): ...

@disjoint_base
class HashRing(NodeMap):
    def __init__(
        self,
        nodes: Nodes = (),
        *,
        weights: Weights | None = None,
        vnodes: int = 160,
        hash: Literal["xxh3", "ketama", "libmemcached"] = "xxh3",
        load_factor: float | None = None,
        zones: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> None: ...
    def add(
        self, node: str, weight: float = 1, *, zone: str | None = None
    ) -> dict[str | bytes | int, str | None]: ...
    def remove(self, node: str) -> dict[str | bytes | int, str | None]: ...
    def assign(self, key: Key) -> str: ...
    def release(self, key: Key) -> dict[str | bytes | int, str]: ...
    @property
    def loads(self) -> dict[str, int]: ...
    @property
    def vnodes(self) -> int: ...
    @property
    def hash(self) -> str: ...
    @property
    def load_factor(self) -> float | None: ...
    @property
    def zones(self) -> dict[str, str] | None: ...
    def key_hash(self, key: Key) -> int: ...
    def points(self) -> tuple[NDArray[np.uint64], NDArray[np.int32]]: ...
    def diff(self, other: HashRing) -> RingDiff: ...
