"""Keys in plain Python: what a key's bytes are, and batches of keys of every kind."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from fastblocks._core import check, errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastblocks._core.types import Key, Keys

__all__ = ["bytes_of_key", "bytes_of_keys", "fill_out", "plain_key", "plain_keys"]


def bytes_of_key(key: Key) -> bytes:
    """The bytes that are hashed for a key."""
    if isinstance(key, str):
        return str.encode(key)  # not the subclass's, if it has one
    if isinstance(key, (bytes, bytearray, memoryview)):
        return memoryview(key).tobytes()
    try:
        number = operator.index(key)
    except TypeError:
        raise errors.key_type(key) from None
    if not -(2**63) <= number < 2**64:
        raise errors.key_range(number)
    return (number % 2**64).to_bytes(8, "little")


def plain_key(key: Key) -> str | bytes | int:
    """A key as an object that nobody can change: a str, bytes or int, no subclass of these."""
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, (bytes, bytearray, memoryview)):
        return memoryview(key).tobytes()
    return operator.index(key)


def bytes_of_keys(keys: Keys) -> list[bytes]:
    """The bytes of every key of a batch; raises if one is no key."""
    return _bytes_of_items(*items_of(keys))


def plain_keys(keys: Keys) -> tuple[list[str | bytes | int], list[bytes]]:
    """Every key of a batch as `plain_key`, and its bytes."""
    items, nulls = items_of(keys)
    held = list(items)
    data = _bytes_of_items(held, nulls)
    return [plain_key(key) for key in held], data


def _bytes_of_items(items: Any, nulls: bool) -> list[bytes]:
    result = []
    for i, key in enumerate(items):
        if nulls and key is None:
            raise errors.null_key(i)
        try:
            result.append(bytes_of_key(key))
        except (TypeError, OverflowError, UnicodeEncodeError) as error:
            raise errors.in_batch(error, i) from error
    return result


def items_of(keys: Any) -> tuple[Any, bool]:
    """The keys of a batch as Python objects, and whether None among them is an Arrow null."""
    if isinstance(keys, check.loaded_classes("numpy", "ndarray")):
        return items_of_array(keys), False
    if isinstance(keys, (str, bytes, bytearray, memoryview)):
        raise errors.bare_string(keys)
    if check.is_numpy_column(keys):
        return items_of_array(keys.to_numpy()), False
    if hasattr(keys, "__arrow_c_array__") or hasattr(keys, "__arrow_c_stream__"):
        try:
            return items_of_arrow(keys), True
        except ImportError:  # pandas columns can be read without pyarrow
            if not check.is_pandas_column(keys):
                raise
    if check.is_pandas_column(keys):
        return check.pandas_items(keys), False
    try:
        return iter(keys), False
    except TypeError:
        raise errors.not_iterable(keys) from None


def items_of_array(array: Any) -> list[Any]:
    check.key_array(array)
    items: list[Any] = array.tolist()
    return items


def items_of_arrow(keys: Any) -> list[Any]:
    """By way of pyarrow, which plain Python needs to read Arrow memory."""
    import pyarrow as pa

    whole = hasattr(keys, "__arrow_c_array__")
    column = pa.array(keys) if whole else pa.chunked_array(keys)
    kinds = pa.types
    if kinds.is_struct(column.type):  # a table: its only column
        if column.type.num_fields != 1:
            raise errors.arrow_format(f"struct of {column.type.num_fields} columns")
        column = column.flatten()[0]
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if (
        kinds.is_string(column.type)
        or kinds.is_large_string(column.type)
        or kinds.is_string_view(column.type)
    ):
        return [_text(data) for data in column.cast(pa.large_binary()).to_pylist()]
    if not (
        kinds.is_integer(column.type)
        or kinds.is_binary(column.type)
        or kinds.is_large_binary(column.type)
        or kinds.is_binary_view(column.type)
        or kinds.is_fixed_size_binary(column.type)
    ):
        raise errors.arrow_format(str(column.type))
    items: list[Any] = column.to_pylist()
    return items


def _text(data: bytes | None) -> str | bytes | None:
    """A key from an Arrow string array: bytes if it is, against the rules, not valid UTF-8."""
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return data


def fill_out(out: NDArray[Any] | None, values: list[Any], dtype: str) -> NDArray[Any]:
    """`values` as an array of `dtype`: a new one, or `out` if it fits."""
    import numpy as np

    if out is None:
        return np.array(values, dtype=dtype)
    check.out_array(out, len(values), dtype)[:] = values
    return out
