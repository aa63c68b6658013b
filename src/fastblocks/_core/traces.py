"""Traces of requests to a cache: the checks that native and pure simulators share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import check
from .caches import MAX_ENTRIES, POLICIES

__all__ = ["SIMULATED", "Simulation", "simulation"]

SIMULATED = (*POLICIES, "opt")
MAX_REQUESTS = 2**32 - 2


class Simulation(NamedTuple):
    """What the arguments of `simulate` mean."""

    keys: Any  # an array of uint64, nobody else's
    sizes: list[int]
    single: bool  # `sizes` was one int
    policy: str
    seed: int

    def hit_ratios(self, hits: Sequence[int]) -> Any:
        """Return what `simulate` does, given the hits at each size."""
        import numpy as np

        ratios = [h / len(self.keys) for h in hits]
        return ratios[0] if self.single else np.array(ratios, np.float64)


def simulation(trace: Any, sizes: Any, policy: Any, seed: Any) -> Simulation:
    """Return the arguments of `simulate`, checked."""
    policy = check.choice("policy", policy, SIMULATED)
    seed = check.seed64(seed)
    single = not hasattr(sizes, "__iter__") or getattr(sizes, "ndim", 1) == 0
    return Simulation(_keys_of(trace), _sizes_of(sizes, single), single, policy, seed)


def _sizes_of(sizes: Any, single: bool) -> list[int]:
    if single:
        return [check.integer("sizes", sizes, 1, MAX_ENTRIES)]
    if isinstance(sizes, (str, bytes, bytearray)):
        kind = type(sizes).__name__
        raise TypeError(f"sizes must be an int or a sequence of ints, not {kind}")
    return [check.integer(f"sizes[{i}]", size, 1, MAX_ENTRIES) for i, size in enumerate(sizes)]


def _keys_of(trace: Any) -> Any:
    """Return a trace as a new array: nobody can change it once it is checked."""
    import numpy as np

    if not hasattr(trace, "__array__"):
        trace = _array_of(trace)
    mask = getattr(trace, "mask", None)  # of a masked array
    if mask is not None and np.any(mask):
        raise ValueError(f"trace must not hold nulls: trace[{int(np.argmax(mask))}] is null")
    array = np.asarray(trace)
    if array.ndim != 1:
        raise ValueError(f"trace must be a 1-D array, not one of shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"trace must be integers, not of dtype {array.dtype}")
    if len(array) == 0:
        raise ValueError("trace must hold at least one request")
    if len(array) > MAX_REQUESTS:
        raise ValueError(f"trace must hold at most {MAX_REQUESTS} requests, not {len(array)}")
    return array.astype(np.uint64, order="C")


def _array_of(trace: Any) -> Any:
    import numpy as np

    if isinstance(trace, (str, bytes, bytearray)) or not hasattr(trace, "__iter__"):
        kind = type(trace).__name__
        raise TypeError(f"trace must be an array or a sequence of ints, not {kind}")
    keys = list(trace)
    if set(map(type, keys)) == {int} and min(keys) >= -(2**63) and max(keys) < 2**63:
        return np.array(keys, np.int64)
    words = [
        check.integer(f"trace[{i}]", key, -(2**63), 2**64 - 1) % 2**64 for i, key in enumerate(keys)
    ]
    return np.array(words, np.uint64)
