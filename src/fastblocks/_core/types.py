"""Types of what blocks take and return."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, SupportsIndex, TypeAlias

__all__ = ["ArrowArray", "ArrowStream", "Box", "Column", "HeavyHitter", "Key", "Keys"]


class ArrowArray(Protocol):
    """An object that exports itself as one Arrow array (PyCapsule interface)."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...


class ArrowStream(Protocol):
    """An object that exports itself as a stream of Arrow arrays (PyCapsule interface)."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


Key: TypeAlias = str | bytes | bytearray | memoryview | SupportsIndex

# NumPy arrays and pandas Series are iterables of what NumPy calls its scalars.
Keys: TypeAlias = Iterable[Any] | ArrowArray | ArrowStream

# What functions of arrays take: a scalar, a list, an array or a column. NumPy's scalars, pandas and
# polars have no type in common, so a checker cannot tell more.
Column: TypeAlias = Any

Box: TypeAlias = tuple[float, float, float, float]


class HeavyHitter(NamedTuple):
    """A key and how often it came: at most `count` times, at least `count - error` times."""

    key: str | bytes | int
    count: int | float  # type: ignore[assignment]  # hides tuple.count
    error: int | float


HeavyHitter.__module__ = "fastblocks.sketches"
HeavyHitter.key.__doc__ = "The key, as it was first seen."
HeavyHitter.count.__doc__ = "It came at most so often: an int, or a float if counts decay."
HeavyHitter.error.__doc__ = "By how much `count` may be too large."
