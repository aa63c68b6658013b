"""Files that hold serialised objects: replaced atomically, mapped into memory."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable

from . import errors

__all__ = ["HEADER_BYTES", "PathLike", "map_file", "open_mode", "replace_file"]

HEADER_BYTES = 128  # FB_STATE_HEADER of csrc/core/state.h

PathLike = str | os.PathLike[str]


def open_mode(mode: str) -> bool:
    """Return whether `mode` ("r" or "r+") allows writing; raise on any other."""
    if mode not in ("r", "r+"):
        raise ValueError(f"mode must be 'r' or 'r+', not {mode!r}")
    return mode == "r+"


def map_file(path: PathLike, writable: bool) -> mmap.mmap:
    """Map the whole of `path`, shared with every other process that maps it."""
    with open(path, "r+b" if writable else "rb") as file:
        if os.fstat(file.fileno()).st_size < HEADER_BYTES:  # and an empty file cannot be mapped
            start = file.read(8)
            name = "STATE_SHORT" if start == b"fastblks" else "STATE_FOREIGN"
            raise errors.status(name, os.fspath(path))
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        return mmap.mmap(file.fileno(), 0, access=access)


def replace_file(path: PathLike, chunks: Iterable[bytes | memoryview]) -> None:
    """Write `chunks` to `path` so that readers see the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, are flushed to disk, and take the name
    by rename; on an error the temporary file is removed and `path` is as it was.
    """
    import tempfile  # here: it would be a quarter of the package's import time

    path = os.fspath(path)
    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_for(path))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _mode_for(path: str) -> int:
    """The permissions `path` has, or those a new file would get."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
