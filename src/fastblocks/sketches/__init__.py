"""Sketches: how often, how many different, which are hottest, in small fixed memory."""

from fastblocks._core.types import HeavyHitter

from .topk import TopK

__all__ = ["HeavyHitter", "TopK"]
