"""What is done to many entries of a cache."""

from typing import Any

from typing_extensions import Self, disjoint_base

@disjoint_base
class Iterator:
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
