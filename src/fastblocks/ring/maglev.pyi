import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from fastblocks._core.nodes import Nodes, Weights

from ._nodes import NodeMap, Table

@disjoint_base
class Entries(Table): ...

@disjoint_base
class MaglevTable(NodeMap):
    def __init__(
        self,
        nodes: Nodes,
        weights: Weights | None = None,
        table_size: int = 65537,
        *,
        seed: int = 0,
    ) -> None: ...
    def add(self, node: str, weight: float = 1) -> float: ...
    def remove(self, node: str) -> float: ...
    def rebuild(self, nodes: Nodes, weights: Weights | None = None) -> float: ...
    @property
    def table_size(self) -> int: ...
    @property
    def table(self) -> NDArray[np.int32]: ...
    @property
    def loads(self) -> dict[str, int]: ...
