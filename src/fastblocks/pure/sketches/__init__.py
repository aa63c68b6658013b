"""Sketches in plain Python."""

from fastblocks._core.types import HeavyHitter

from .topk import TopK

__all__ = ["HeavyHitter", "TopK"]
