from typing_extensions import disjoint_base

from fastblocks._core.flat import Flat

@disjoint_base
class Points(Flat):
    def __len__(self) -> int: ...
    __hash__: None  # type: ignore[assignment]
