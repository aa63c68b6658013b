"""Checks of moving points and their ids: one wording for native and pure."""

from __future__ import annotations

import math
from typing import Any

from . import check
from .boxes import box_array, box_of, check_id_range, first_bad_box, given_ids
from .columns import Batch

__all__ = [
    "bounds_of",
    "box_rows",
    "capacity_of",
    "columns",
    "id_column",
    "limit_of",
    "number",
    "radius",
    "string_id",
    "string_ids",
    "strings_of",
]

MAX_CAPACITY = 4096


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return one number in [low, high], finite in any case, or raise naming `name`."""
    array = _column(Batch(), name, value, low, high)
    if array.ndim:
        raise TypeError(f"{name} must be a float, not {type(value).__name__}")
    return float(array)


def radius(name: str, value: Any) -> float:
    """Return a distance of 0 or more, that may be infinite."""
    batch = Batch()
    batch.doubles(name, value, 0.0, math.inf)
    if batch.arrays[0].ndim:
        raise TypeError(f"{name} must be a float, not {type(value).__name__}")
    return float(batch.arrays[0])


def _column(batch: Batch, name: str, value: Any, low: float, high: float) -> Any:
    if low == -math.inf and high == math.inf:
        batch.finite(name, value)
    else:
        batch.doubles(name, value, low, high)
    return batch.arrays[-1]


def columns(*given: tuple[str, Any, float, float]) -> list[Any]:
    """Return columns of (name, values, low, high) as float64 arrays of one length."""
    batch = Batch()
    for name, value, low, high in given:
        _column(batch, name, value, low, high)
    batch.broadcast()
    if len(batch.shape) != 1:
        names = ", ".join(name for name, *_ in given)
        raise ValueError(f"{names} must have one dimension, not {len(batch.shape)}")
    return list(batch.arrays)


def id_column(value: Any, n: int | None = None) -> Any:
    """Return ids as a contiguous int64 array, of n items if n is given."""
    import numpy as np

    array = given_ids(value, objects=True)
    if array.ndim != 1:
        raise ValueError(f"ids must have one dimension, not {array.ndim}")
    if n is not None and len(array) != n:
        raise ValueError(f"ids must be as many as the points, {n}, not {len(array)}")
    check_id_range(array)
    return np.require(array, np.int64, ["C", "A"])


def bounds_of(value: Any) -> tuple[float, float, float, float]:
    """Return bounds as four floats: finite, wider and higher than 0, and finitely so."""
    min_x, min_y, max_x, max_y = box_of("bounds", value)
    if not (0 < max_x - min_x < math.inf and 0 < max_y - min_y < math.inf):
        raise ValueError(
            "bounds must be wider and higher than 0, and finitely so, not "
            f"({min_x!r}, {min_y!r}, {max_x!r}, {max_y!r})"
        )
    return min_x + 0.0, min_y + 0.0, max_x + 0.0, max_y + 0.0


def capacity_of(value: Any) -> int:
    """Return how many points a leaf may have."""
    return check.integer("leaf_capacity", value, 1, MAX_CAPACITY)


def box_rows(name: str, value: Any) -> Any:
    """Return boxes as a contiguous float64 array of shape (n, 4)."""
    import numpy as np

    rows = box_array(name, value)
    if not (
        np.isfinite(rows).all()
        and (rows[:, 0] <= rows[:, 2]).all()
        and (rows[:, 1] <= rows[:, 3]).all()
    ):
        first_bad_box(name, rows)
    return rows


def string_id(value: Any) -> str:
    """Return one id that is a string, and of no subclass."""
    if not isinstance(value, str):
        raise TypeError(f"id must be a str, not {type(value).__name__}")
    return value if type(value) is str else str.__str__(value)


def string_ids(value: Any, n: int | None = None) -> list[str]:
    """Return ids that are strings, n of them if n is given."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"ids must be a sequence of str, not {type(value).__name__}")
    ids = []
    for i, id in enumerate(value):
        if not isinstance(id, str):
            raise TypeError(f"ids[{i}] must be a str, not {type(id).__name__}")
        ids.append(str.__str__(id) if type(id) is not str else id)
    if n is not None and len(ids) != n:
        raise ValueError(f"ids must be as many as the points, {n}, not {len(ids)}")
    return ids


def limit_of(value: Any) -> int:
    """Return how many answers there may be; all for None."""
    return check.integer("limit", value, 1, 2**63 - 1) if value is not None else 2**63 - 1


def strings_of(data: bytes, n: int) -> list[str] | None:
    """Return n different strings: lengths of 64 bits, then UTF-8; None if `data` is not that."""
    lengths = memoryview(data)[: 8 * n].cast("q").tolist()
    at, strings = 8 * n, []
    for length in lengths:
        if not 0 <= length <= len(data) - at:
            return None
        try:
            strings.append(data[at : at + length].decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            return None
        at += length
    return strings if at == len(data) and len(set(strings)) == n else None
