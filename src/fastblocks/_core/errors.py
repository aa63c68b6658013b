"""What is raised, and in which words, by native and pure code alike."""

from __future__ import annotations

import io
from typing import Any

__all__ = [
    "FilterFullError",
    "UnknownNodeError",
    "array_dtype",
    "array_shape",
    "arrow_format",
    "bare_string",
    "in_batch",
    "key_range",
    "key_type",
    "no_nodes",
    "not_a",
    "not_iterable",
    "null_at",
    "null_key",
    "out_array",
    "read_only",
    "read_only_for_good",
    "replaced",
    "status",
    "total_overflow",
    "unchangeable",
    "unequal",
    "unknown_node",
    "unsettled",
]


class FilterFullError(RuntimeError):
    """A filter of fixed size has no room for another key. It holds what it held before the call."""

    __module__ = "fastblocks.filters"


class UnknownNodeError(KeyError, ValueError):
    """A node that is named is not there. Nothing has changed."""

    __module__ = "fastblocks.ring"

    def __str__(self) -> str:  # KeyError's own would show the message in quotes
        return str(self.args[0])


KEYS = "str, bytes, bytearray, memoryview or int"

STATUS = {
    "NO_MEMORY": (MemoryError, "not enough memory"),
    "OUT_OF_RANGE": (ValueError, "parameters are too large for this structure"),
    "FULL": (FilterFullError, "full: no room for another key"),
    "NOT_BUILT": (RuntimeError, "could not be built"),
    "STATE_SHORT": (ValueError, "truncated: fewer bytes than its header promises"),
    "STATE_LONG": (ValueError, "more bytes than its header promises"),
    "STATE_FOREIGN": (ValueError, "not the bytes of a fastblocks object"),
    "STATE_KIND": (ValueError, "the bytes of another class"),
    "STATE_VERSION": (ValueError, "written by a version that this one does not read"),
    "STATE_CHECKSUM": (ValueError, "corrupt: checksum differs"),
    "STATE_PARAMS": (ValueError, "corrupt: its parameters contradict each other"),
}


def status(name: str, what: str) -> Exception:
    """The exception for a C status (by its name, without ``FB_``) met while handling `what`."""
    kind, words = STATUS[name]
    return kind(f"{what}: {words}")


def key_type(key: Any) -> TypeError:
    return TypeError(f"a key must be {KEYS}, not {type(key).__name__}")


def key_range(key: int) -> OverflowError:
    shown = str(key) if key.bit_length() < 256 else f"an int of {key.bit_length()} bits"
    return OverflowError(f"an int key must be in [-2**63, 2**64), not {shown}")


def in_batch(error: Exception, index: int) -> Exception:
    """What a bad key of a batch raises: `error`, telling which key it is."""
    if isinstance(error, UnicodeEncodeError):
        reason = f"{error.reason} (keys[{index}])"
        return UnicodeEncodeError(error.encoding, error.object, error.start, error.end, reason)
    kind = OverflowError if isinstance(error, OverflowError) else TypeError
    return kind(f"keys[{index}]: {error}")


def null_at(name: str, item: str) -> ValueError:
    return ValueError(f"{name} must not hold nulls: {item} is null")


def null_key(index: int) -> ValueError:
    return null_at("keys", f"keys[{index}]")


def bare_string(keys: Any) -> TypeError:
    kind = type(keys).__name__
    return TypeError(f"keys must be an array or iterable of keys, not one {kind}; pass [key]")


def not_iterable(keys: Any) -> TypeError:
    kind = type(keys).__name__
    return TypeError(f"keys must be an array or iterable of keys, not {kind}")


def array_shape(shape: tuple[int, ...]) -> ValueError:
    return ValueError(f"keys must be a 1-D array, not one of shape {shape}")


def array_dtype(dtype: Any) -> TypeError:
    return TypeError(f"keys must be an array of integers, strings or bytes, not of dtype {dtype}")


def arrow_format(format: str) -> TypeError:
    return TypeError(
        "keys must be an Arrow array of integers, strings or binary (dictionary-encoded ones "
        f"decoded first), not of Arrow type {format!r}"
    )


def out_array(dtype: str, shape: tuple[int, ...], why: str) -> ValueError:
    return ValueError(f"out must be a writable, C-contiguous {dtype} array of shape {shape}, {why}")


def read_only(method: str) -> io.UnsupportedOperation:
    """An `OSError` and a `ValueError` at once, as for files."""
    return io.UnsupportedOperation(
        f"{method}: this object is mapped read-only; open it with mode='r+' to change it"
    )


def replaced() -> OSError:
    return OSError("the file was replaced while it was being opened; open it again")


def read_only_for_good(method: str) -> io.UnsupportedOperation:
    return io.UnsupportedOperation(
        f"{method}: an object opened from a file cannot be changed; change a copy() of it"
    )


def unsettled() -> RuntimeError:
    return RuntimeError("another process keeps changing the file; try again")


def unequal(name: str, ours: Any, theirs: Any) -> ValueError:
    return ValueError(f"cannot combine: {name} differs ({ours} and {theirs})")


def total_overflow(most: float | None = None) -> OverflowError:
    limit = "2**63 - 1" if most is None else f"{most:g}"
    return OverflowError(f"the sum of all counts would exceed {limit}")


def not_a(name: str, cls: type, value: Any) -> TypeError:
    return TypeError(f"{name} must be a {cls.__name__}, not {type(value).__name__}")


def unchangeable(cls: type) -> ValueError:
    return ValueError(f"mode must be 'r', not 'r+': a {cls.__name__} cannot be changed")


def unknown_node(name: str) -> UnknownNodeError:
    return UnknownNodeError(f"node {name!r} is not there")


def no_nodes(cls: type) -> LookupError:
    return LookupError(f"this {cls.__name__} has no nodes")


def half_circle(edge: str) -> ValueError:
    return ValueError(f"{edge} and the point after it must not be opposite points of the sphere")


def crossing(edge: str, other: str) -> ValueError:
    return ValueError(f"the edges of a polygon must not cross: from {edge} on and from {other} on")
