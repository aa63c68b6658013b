"""Serves other Cython modules."""

from typing import final

@final
class KeyBatch:
    @property
    def n(self) -> int: ...
