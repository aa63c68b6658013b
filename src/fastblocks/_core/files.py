"""Files that hold serialised objects: replaced atomically, mapped into memory."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from collections.abc import Callable, Iterable

from . import errors

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "HEADER_BYTES",
    "MAGIC",
    "PathLike",
    "convert",
    "map_file",
    "open_mode",
    "path_of",
    "replace_file",
]

# As csrc/core/state.h has them.
MAGIC = b"fastblks"
HEADER_BYTES = 128

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of a file system

HAVE_LOCKS = bool(fcntl)

PathLike = str | os.PathLike[str]


def open_mode(mode: str) -> bool:
    """Return whether `mode` ("r" or "r+") allows writing; raise on any other."""
    if mode not in ("r", "r+"):
        raise ValueError(f"mode must be 'r' or 'r+', not {mode!r}")
    return mode == "r+"


def path_of(path: PathLike) -> str:
    """Return `path` as a ``str``; raise if it is no path (an ``int`` would be a descriptor)."""
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or os.PathLike[str], not {type(path).__name__}")
    return name


def map_file(path: str, writable: bool, one_writer: bool = False) -> mmap.mmap:
    """Map the whole of `path`, shared with every other process that maps it.

    With `one_writer`, a writable map holds a lock on the file for as long as it lives, and a second
    one, in this process or another, raises `BlockingIOError`. The lock goes with the process, be it
    killed, and a process that is forked shares it; where the system has no such locks, nothing is
    checked.
    """
    with open(path, "r+b" if writable else "rb") as file:
        if writable and one_writer and fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the map's handle keeps it
            except BlockingIOError as error:
                words = "is open with mode='r+' elsewhere, and only one writer is allowed"
                raise BlockingIOError(error.errno, words, path) from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        if os.fstat(file.fileno()).st_size < HEADER_BYTES:  # and an empty file cannot be mapped
            start = file.read(len(MAGIC))
            name = "STATE_SHORT" if start == MAGIC else "STATE_FOREIGN"
            raise errors.status(name, path)
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        return mmap.mmap(file.fileno(), 0, access=access)


def replace_file(path: PathLike, chunks: Iterable[bytes | memoryview]) -> None:
    """Write `chunks` to `path` so that readers see the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, are flushed to disk, and take the name
    by rename, keeping the permissions of a file that was there; on an error the temporary file is
    removed and `path` is as it was. A symbolic link stays, and its target is replaced.
    """
    path = os.path.realpath(path_of(path))
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path}: exists and is not a regular file")
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".fastblocks-{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def convert(path: PathLike, form: Callable[[], bytes | None]) -> None:
    """Replace a file by what `form` returns, or leave it if that is None: it is good as it is.

    Processes that do the same at once exclude each other, where the system has locks on files: one
    of them replaces the file, and all find the new one.
    """
    data = form()
    if data is not None and not HAVE_LOCKS:
        replace_file(path, [data])
        return
    while data is not None:
        with open(path_of(path), "r+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                data = form()  # which nobody may have changed while we waited
                if data is not None:
                    replace_file(path, [data])
                return


def _sync_folder(folder: str) -> None:
    """Make a rename in `folder` survive a crash of the machine, where folders can be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
