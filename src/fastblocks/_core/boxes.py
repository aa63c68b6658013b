"""Checks of boxes, points and ids in the plane: one wording for native and pure."""

from __future__ import annotations

import math
from typing import Any

from . import check

__all__ = [
    "bad_box",
    "bad_number",
    "box_array",
    "box_of",
    "check_id_range",
    "first_bad_box",
    "first_bad_point",
    "given_ids",
    "id_array",
    "id_of",
    "id_there",
    "id_twice",
    "id_unknown",
    "k_of",
    "max_distance_of",
    "number_of",
    "point_array",
]

MAX_K = 2**31 - 1


def number_of(name: str, value: Any) -> float:
    """Return a coordinate as a finite ``float``, or raise naming `name`."""
    number = _float_of(name, value)
    if not math.isfinite(number):
        raise bad_number(name, number)
    return number


def _float_of(name: str, value: Any) -> float:
    """Return a number as a ``float``, infinite if it is too large for one."""
    if isinstance(value, bool) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name} must be a float, not {type(value).__name__}")
    try:
        return float(value)
    except TypeError:
        raise TypeError(f"{name} must be a float, not {type(value).__name__}") from None
    except OverflowError:
        return math.inf


def bad_number(name: str, number: float) -> ValueError:
    return ValueError(f"{name} must be finite, not {number!r}")


def box_of(name: str, value: Any) -> tuple[float, float, float, float]:
    """Return one box as four floats, or raise naming `name`."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        kind = type(value).__name__
        raise TypeError(f"{name} must be (min_x, min_y, max_x, max_y), not {kind}")
    numbers = tuple(value)
    if len(numbers) != 4:
        words = f"{name} must be (min_x, min_y, max_x, max_y), not {len(numbers)} numbers"
        raise ValueError(words)
    min_x, min_y, max_x, max_y = (
        number_of(f"{name}[{i}]", number) for i, number in enumerate(numbers)
    )
    if not (min_x <= max_x and min_y <= max_y):
        raise bad_box(name, (min_x, min_y, max_x, max_y))
    return min_x, min_y, max_x, max_y


def bad_box(name: str, box: Any) -> ValueError:
    numbers = ", ".join(repr(float(number)) for number in box)
    return ValueError(
        f"{name} must be finite with min_x <= max_x and min_y <= max_y, not ({numbers})"
    )


def _rows(name: str, value: Any, width: int, of: str) -> Any:
    import numpy as np

    if isinstance(value, (str, bytes)) or not (
        hasattr(value, "__array__") or hasattr(value, "__len__")
    ):
        raise TypeError(f"{name} must be an array of {of}, not {type(value).__name__}")
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must have shape (n, {width}): {of}") from None
    if array.size == 0 and array.ndim < 2:
        return np.empty((0, width))
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of numbers, not of dtype {array.dtype}")
    if getattr(array, "ndim", 0) != 2 or array.shape[1] != width:
        raise ValueError(f"{name} must have shape (n, {width}): {of}, not {array.shape}")
    return np.require(array, np.float64, ["C", "A"])


def box_array(name: str, value: Any) -> Any:
    """Return boxes as a contiguous float64 array of shape (n, 4); the numbers are not checked."""
    return _rows(name, value, 4, "min_x, min_y, max_x, max_y")


def point_array(name: str, value: Any) -> Any:
    """Return points as a contiguous float64 array of shape (n, 2); the numbers are not checked."""
    return _rows(name, value, 2, "x, y")


def first_bad_box(name: str, boxes: Any) -> None:
    """Raise if a row of `boxes` is no box."""
    for i, row in enumerate(boxes.tolist()):
        if not all(map(math.isfinite, row)) or not (row[0] <= row[2] and row[1] <= row[3]):
            raise bad_box(f"{name}[{i}]", row)


def first_bad_point(name: str, points: Any) -> None:
    """Raise if a number of `points` is not finite."""
    for i, row in enumerate(points.tolist()):
        for j, number in enumerate(row):
            if not math.isfinite(number):
                raise bad_number(f"{name}[{i}, {j}]", number)


def id_of(value: Any) -> int:
    """Return one id as an ``int`` of 64 bits."""
    return check.integer("id", value, -(2**63), 2**63 - 1)


def given_ids(value: Any, *, objects: bool = False) -> Any:
    """Return ids as an array of integers of any shape; `objects`: of Python's own ones too."""
    import numpy as np

    if isinstance(value, (str, bytes)) or not (
        hasattr(value, "__array__") or hasattr(value, "__len__")
    ):
        raise TypeError(f"ids must be an array of integers, not {type(value).__name__}")
    array = np.asarray(value)
    if array.size == 0 and array.ndim == 1:
        array = array.astype(np.int64)
    if objects and array.dtype.kind == "O":
        for i, id in enumerate(array.ravel().tolist()):
            check.integer(f"ids[{i}]", id, -(2**63), 2**63 - 1)
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"ids must be an array of integers, not of dtype {array.dtype}")
    return array


def check_id_range(ids: Any) -> None:
    """Raise if one of an array of ids takes more than 64 bits with a sign."""
    if ids.dtype.kind == "u" and len(ids) and int(ids.max()) >= 2**63:
        at = int((ids >= 2**63).argmax())
        check.integer(f"ids[{at}]", int(ids[at]), -(2**63), 2**63 - 1)


def id_array(value: Any, n: int) -> Any:
    """Return n ids as a contiguous int64 array of its own."""
    import numpy as np

    array = given_ids(value)
    if array.shape != (n,):
        raise ValueError(f"ids must have shape ({n},) as the boxes have, not {array.shape}")
    check_id_range(array)
    return np.array(array, np.int64, order="C")


def id_twice(i: int, id: int) -> ValueError:
    return ValueError(f"ids must differ: ids[{i}] is {id}, which is there already")


def id_there(id: int) -> ValueError:
    return ValueError(f"id {id} is there already")


def id_unknown(id: int) -> KeyError:
    return KeyError(id)


def k_of(value: Any) -> int:
    """Return how many neighbours are asked for."""
    return check.integer("k", value, 1, MAX_K)


def max_distance_of(value: Any) -> float:
    """Return a distance that is not negative, and may be infinite."""
    distance = _float_of("max_distance", value)
    if not distance >= 0.0:
        raise ValueError(f"max_distance must be 0 or more, not {value!r}")
    return distance
