"""Type aliases of what every block takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, SupportsIndex, TypeAlias

__all__ = ["ArrowArray", "ArrowStream", "Key", "Keys"]


class ArrowArray(Protocol):
    """An object that exports itself as one Arrow array (PyCapsule interface)."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...


class ArrowStream(Protocol):
    """An object that exports itself as a stream of Arrow arrays (PyCapsule interface)."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


Key: TypeAlias = str | bytes | bytearray | memoryview | SupportsIndex

# NumPy arrays and pandas Series are iterables of what NumPy calls its scalars.
Keys: TypeAlias = Iterable[Any] | ArrowArray | ArrowStream
