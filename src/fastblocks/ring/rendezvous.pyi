from typing_extensions import disjoint_base

from fastblocks._core.nodes import Nodes, Weights

from ._nodes import NodeMap, Table

@disjoint_base
class RendezvousTable(Table): ...

@disjoint_base
class RendezvousHash(NodeMap):
    def __init__(self, nodes: Nodes, weights: Weights | None = None, *, seed: int = 0) -> None: ...
    def add(self, node: str, weight: float = 1.0) -> None: ...
    def remove(self, node: str) -> None: ...
