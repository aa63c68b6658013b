"""Maps from keys to nodes in plain Python."""

from fastblocks._core.errors import UnknownNodeError

__all__ = ["UnknownNodeError"]
