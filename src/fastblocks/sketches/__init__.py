"""Sketches: how often, how many different, which are hottest, in small fixed memory."""

__all__ = []
