from typing import ClassVar, Literal

from typing_extensions import disjoint_base

from ._local import LocalStorage

@disjoint_base
class Memory(LocalStorage):
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(
        self,
        max_keys: int = 1_000_000,
        *,
        on_full: Literal["deny", "allow", "raise"] = "deny",
        seed: int | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def evicted(self) -> int: ...
    @property
    def on_full(self) -> Literal["deny", "allow", "raise"]: ...
    @property
    def seed(self) -> int: ...
