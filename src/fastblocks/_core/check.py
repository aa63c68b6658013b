"""Checks of constructor and method arguments: one wording for every block, native and pure."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Collection
from typing import Any

from . import errors

__all__ = [
    "boolean",
    "box",
    "choice",
    "counts",
    "given_together",
    "integer",
    "is_numpy_column",
    "is_pandas_column",
    "is_prime",
    "key_array",
    "loaded_classes",
    "one_dimension",
    "one_of",
    "out_array",
    "out_shaped",
    "pandas_items",
    "prime",
    "real",
    "seconds_ns",
    "seed64",
    "seed_of",
    "timer",
    "timer_ns",
    "too_many_cells",
]

MAX_SECONDS = 9e9  # so that nanoseconds fit in 64 bits


def integer(name: str, value: Any, low: int, high: int) -> int:
    """Return `value` as an ``int`` in [low, high], or raise naming `name`, value and range."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], not {number}")
    return number


def is_prime(n: int) -> bool:
    """Tell whether n is a prime. O(sqrt(n))."""
    return n >= 2 and all(n % d for d in range(2, math.isqrt(n) + 1))


def prime(name: str, value: Any, low: int, high: int) -> int:
    """Return `value` as a prime in [low, high], both primes, or raise naming the next one."""
    number = integer(name, value, low, high)
    if not is_prime(number):
        following = next(n for n in range(number, high + 1) if is_prime(n))
        raise ValueError(f"{name} must be a prime, not {number}; the next prime is {following}")
    return number


def boolean(name: str, value: Any) -> bool:
    """Return `value` if it is a ``bool``, or raise naming `name`."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def one_of(name: str, value: Any, choices: Collection[int]) -> int:
    """Return `value` as an ``int`` that is one of `choices`, or raise naming `name` and them."""
    number = integer(name, value, -(2**63), 2**64)
    if number not in choices:
        *most, last = choices
        raise ValueError(f"{name} must be {', '.join(map(str, most))} or {last}, not {number}")
    return number


def choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return `value` if it is one of the strings `choices`, or raise naming `name` and them."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if value not in choices:
        *most, last = map(repr, choices)
        raise ValueError(f"{name} must be {', '.join(most)} or {last}, not {value!r}")
    return str.__str__(value)


def real(name: str, value: Any, low: float, high: float) -> float:
    """Return `value` as a ``float`` in [low, high), or raise naming `name`, value and range."""
    if isinstance(value, bool) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name} must be a float, not {type(value).__name__}")
    try:
        number = float(value)
    except TypeError:
        raise TypeError(f"{name} must be a float, not {type(value).__name__}") from None
    except OverflowError:
        number = math.inf
    if math.isnan(number) or not low <= number < high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}), not {value!r}")
    return number


def box(value: Any) -> tuple[float, float, float, float]:
    """Return a box of degrees as (west, south, east, north), or raise naming what is wrong."""
    try:
        west, south, east, north = value
    except (TypeError, ValueError):
        raise TypeError(f"box must be (min_x, min_y, max_x, max_y), not {value!r}") from None
    numbers = []
    for i, (number, most) in enumerate([(west, 180), (south, 90), (east, 180), (north, 90)]):
        inside = real(f"box[{i}]", number, -math.inf, math.inf)
        if not -most <= inside <= most:
            raise ValueError(f"box[{i}] must be in [-{most}, {most}], not {number!r}")
        numbers.append(inside)
    if numbers[1] > numbers[3]:
        raise ValueError(f"box must not end south of its start: {south!r} is above {north!r}")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def too_many_cells(needed: int, precision: int, most: int) -> ValueError:
    """The error for a box that takes too many cells."""
    return ValueError(f"box takes {needed} cells of precision {precision}, more than {most}")


def given_together(name: str, value: Any, other: str, its_value: Any) -> None:
    """Raise if one of two arguments is None and the other is not."""
    if (value is None) != (its_value is None):
        raise TypeError(f"{name} and {other} must be given together")


def one_dimension(name: str, shape: tuple[int, ...]) -> None:
    """Raise unless `shape` is of one dimension."""
    if len(shape) != 1:
        raise ValueError(f"{name} must be 1-D, not of shape {shape}")


def seed64(value: Any) -> int:
    """Return `value` as a 64-bit unsigned seed."""
    return integer("seed", value, 0, 2**64 - 1)


def seed_of(value: Any) -> int:
    """Return `value` as a 64-bit unsigned seed; a random one for None."""
    if value is None:
        import os

        return int.from_bytes(os.urandom(8), "little")
    return seed64(value)


def seconds_ns(name: str, value: Any) -> int:
    """Return a duration in seconds, above 0, as integer nanoseconds (at least 1)."""
    seconds = real(name, value, 0.0, MAX_SECONDS)
    if seconds == 0.0:
        raise ValueError(f"{name} must be above 0 seconds, not {value!r}")
    return max(round(seconds * 1e9), 1)


def timer(value: Any) -> Any:
    """Return `value` if it can be a timer: None, or a function that returns seconds."""
    if value is not None and not callable(value):
        raise TypeError(f"timer must be a function or None, not {type(value).__name__}")
    return value


def timer_ns(seconds: Any) -> int:
    """Return what a timer returned, as integer nanoseconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"timer must return seconds as a float, not {type(seconds).__name__}")
    if not -MAX_SECONDS < seconds < MAX_SECONDS:
        raise ValueError(f"timer must return seconds in ±{MAX_SECONDS:g}, not {seconds!r}")
    return round(seconds * 1e9)


def counts(value: Any, n: int, high: int, name: str = "counts", low: int = 0) -> Any:
    """Return the counts of a batch of n keys: an ``int``, or a contiguous uint64 array of n.

    Raises naming `name` if one is not in [low, high], or their number is not n.
    """
    import numpy as np

    if hasattr(value, "__index__") and not isinstance(value, np.ndarray):
        return integer(name, value, low, high)
    if not hasattr(value, "__array__"):
        if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__iter__"):
            kind = type(value).__name__
            raise TypeError(f"{name} must be an int or an array of ints, not {kind}")
        numbers = [integer(f"{name}[{i}]", count, low, high) for i, count in enumerate(value)]
        value = np.array(numbers, np.uint64)
    mask = value.mask if isinstance(value, np.ma.MaskedArray) else None
    if mask is not None and mask.any():
        raise ValueError(f"{name} must not hold nulls: {name}[{int(mask.argmax())}] is null")
    array = np.array(value)  # a copy: nobody can change it once it is checked
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not of dtype {array.dtype}")
    if array.ndim == 0:
        return integer(name, array[()], low, high)
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},) as the keys have, not {array.shape}")
    bad = (array < low) | (array > high)
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name}[{at}] must be in [{low}, {high}], not {array[at]}")
    return np.ascontiguousarray(array, dtype=np.uint64)


def loaded_classes(module: str, *names: str) -> tuple[Any, ...]:
    """Return classes of a module without importing it, as far as there are any.

    Another thread may be about to import it: then there is a module, without its classes.
    """
    found = sys.modules.get(module)
    return tuple(getattr(found, name) for name in names if hasattr(found, name))


def is_pandas_column(keys: Any) -> bool:
    """Tell whether `keys` is a pandas Series or Index (without importing pandas to find out)."""
    return isinstance(keys, loaded_classes("pandas", "Series", "Index"))


def is_numpy_column(keys: Any) -> bool:
    """Tell whether `keys` is a pandas Series or Index that stands on a NumPy array."""
    return is_pandas_column(keys) and isinstance(keys.dtype, sys.modules["numpy"].dtype)


def pandas_items(keys: Any) -> list[Any]:
    """Return a pandas column as a list of keys, or raise if it has nulls.

    For columns that stand on no NumPy array and that pandas cannot export to Arrow, which takes
    pandas 3 and pyarrow.
    """
    nulls = keys.isna()
    if nulls.any():
        raise errors.null_key(int(nulls.argmax()))
    items: list[Any] = keys.tolist()
    return items


def key_array(array: Any) -> str:
    """Return the dtype's kind of a NumPy array of keys, or raise if it is none."""
    if array.ndim != 1:
        raise errors.array_shape(array.shape)
    kind: str = array.dtype.kind
    if kind not in "iuSUOT":
        raise errors.array_dtype(array.dtype)
    mask = getattr(array, "mask", None)  # of a masked array
    if mask is not None and mask.any():
        raise errors.null_key(int(mask.argmax()))
    return kind


def out_array(out: Any, n: int, dtype: str) -> Any:
    """Return `out` if it is an array into which n results of `dtype` can be written."""
    return out_shaped(out, (n,), dtype)


def out_shaped(out: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """Return `out` if it is an array into which results of this shape can be written."""
    import numpy as np

    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if out.dtype != dtype:
        raise errors.out_array(dtype, shape, f"not of dtype {out.dtype}")
    if out.shape != shape:
        raise errors.out_array(dtype, shape, f"not of shape {out.shape}")
    if not out.flags.c_contiguous or not out.flags.aligned:
        raise errors.out_array(dtype, shape, "not a strided or unaligned one")
    if not out.flags.writeable:
        raise errors.out_array(dtype, shape, "not a read-only one")
    return out


def out_pair(out: Any) -> tuple[Any, Any]:
    """Return `out`, for a pair of results, as two items: None twice if it is None."""
    if out is None:
        return None, None
    if not isinstance(out, tuple) or len(out) != 2:
        shown = f"one of {len(out)}" if isinstance(out, tuple) else type(out).__name__
        raise TypeError(f"out must be a tuple of two NumPy arrays, not {shown}")
    return out
