"""Hash functions in plain Python."""

from .xxh3 import xxh3_64, xxh3_64_many

__all__ = ["xxh3_64", "xxh3_64_many"]
