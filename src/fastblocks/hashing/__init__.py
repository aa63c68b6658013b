"""Hash functions: XXH3-64 of keys, one at a time and in batches."""

from .xxh3 import xxh3_64, xxh3_64_many

__all__ = ["xxh3_64", "xxh3_64_many"]
