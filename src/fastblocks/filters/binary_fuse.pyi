from typing import ClassVar

from typing_extensions import disjoint_base

from fastblocks._core.types import Key, Keys

from ._filter import KeyFilter

ATTEMPTS: int

@disjoint_base
class BinaryFuseFilter(KeyFilter):
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, keys: Keys, bits: int = 8, *, seed: int = 0) -> None: ...
    def __contains__(self, key: Key, /) -> bool: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def bits(self) -> int: ...
    @property
    def fp_rate(self) -> float: ...
