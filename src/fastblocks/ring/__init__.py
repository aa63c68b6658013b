"""Ring: which node holds this key, while nodes come and go."""

from fastblocks._core.errors import UnknownNodeError

__all__ = ["UnknownNodeError"]
