"""Files that the processes of a host share through memory: how they are found, made, and checked.

A file has a head of one page, then a body that begins as zeros:

      0   8  magic             "fastblks"
      8   4  kind              "LSHM" or, of the pure-Python twin, "LSHP"
     12   2  version
     14   2  zero
     16   8  bytes             of the whole file
     24   8  max_keys
     32   8  seed
     40  16  boot              what Linux knows this boot of the system by; elsewhere zero
     56   4  strategy          kind of the rules
     60   4  rules             how many
     64 192  limit, count, period_ns of each
    256   8  checksum          BLAKE2b-64 of bytes 0..255
   4096      body

The head never changes. A file appears under its name when it is whole.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import files
from .rates import Rule

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "HEAD_BYTES",
    "NATIVE",
    "PURE",
    "Wanted",
    "attach",
    "check_existing",
    "identity",
    "location",
    "reopen",
    "take_record",
    "unlink",
]

HEAD_BYTES = 4096
VERSION = 1
NATIVE, PURE = b"LSHM", b"LSHP"
MAKERS = {NATIVE: "fastblocks", PURE: "fastblocks.pure"}
STRATEGIES = ("FixedWindow", "SlidingWindowCounter", "LeakyBucket or TokenBucket", "SlidingWindow")

FIELDS = struct.Struct("<8s4sHHQQQ16sII192s")
RULE = struct.Struct("<QQQ")
MOST_RULES = 8  # in a head
LOCK = struct.Struct("hhqqi4x")  # struct flock of Linux, 64-bit

BOOT_FILE = "/proc/sys/kernel/random/boot_id"
SHM_FOLDER = "/dev/shm"


class Wanted(NamedTuple):
    """What a file must be. `seed` is None if it does not matter."""

    kind: bytes
    max_keys: int
    seed: int | None
    strategy: int
    rules: tuple[Rule, ...]
    size: int


class Head(NamedTuple):
    """What the head of a file says."""

    kind: bytes
    size: int
    max_keys: int
    seed: int
    boot: bytes
    strategy: int
    rules: tuple[Rule, ...]


def location(name_or_path: Any) -> str:
    """Return the absolute path of a file.

    A bare name is in /dev/shm, or where there is none, in the folder of temporary files. Links are
    followed: a file that is replaced has to be the same for all who use it.
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        kind = type(name_or_path).__name__
        raise TypeError(f"name_or_path must be a str or os.PathLike[str], not {kind}")
    path = files.path_of(name_or_path)
    if not path or "\0" in path or os.path.basename(path) in ("", ".", ".."):
        raise ValueError(f"name_or_path must be a name or the path of a file, not {path!r}")
    if isinstance(name_or_path, str) and os.path.basename(path) == path:
        import tempfile

        folder = SHM_FOLDER if os.path.isdir(SHM_FOLDER) else tempfile.gettempdir()
        path = os.path.join(folder, path)
    return os.path.realpath(path)


def boot_id() -> bytes:
    """What this boot of the system is known by: 16 bytes."""
    try:
        with open(BOOT_FILE) as file:
            return bytes.fromhex(file.read().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def write_head(wanted: Wanted) -> bytes:
    """The head of a new file."""
    import secrets

    seed = secrets.randbits(64) if wanted.seed is None else wanted.seed
    rules = b"".join(RULE.pack(*rule) for rule in wanted.rules)
    data = FIELDS.pack(
        *(files.MAGIC, wanted.kind, VERSION, 0, wanted.size, wanted.max_keys, seed),
        *(boot_id(), wanted.strategy, len(wanted.rules), rules),
    )
    return (data + checksum(data)).ljust(HEAD_BYTES, b"\0")


def checksum(data: bytes) -> bytes:
    import hashlib

    return hashlib.blake2b(data, digest_size=8).digest()


def read_head(handle: int, path: str) -> Head:
    """What the head of an open file says; raises if it is not that of limits, or damaged."""
    regular = stat.S_ISREG(os.fstat(handle).st_mode)
    data = os.pread(handle, HEAD_BYTES, 0) if regular else b""
    if data[:8] != files.MAGIC[: len(data[:8])] or not data:
        raise ValueError(f"{path}: not the bytes of a fastblocks object")
    if len(data) < HEAD_BYTES and data[8:12] in (*MAKERS, b""):
        raise ValueError(f"{path}: truncated: fewer bytes than its header promises")
    fields, found = data[: FIELDS.size], data[FIELDS.size : FIELDS.size + 8]
    if fields[8:12] not in MAKERS:
        raise ValueError(f"{path}: the bytes of another class")
    _, kind, version, _, size, max_keys, seed, boot, strategy, n, rules = FIELDS.unpack(fields)
    if version != VERSION:
        raise ValueError(f"{path}: written by a version that this one does not read")
    if checksum(fields) != found:
        raise ValueError(f"{path}: corrupt: checksum differs")
    if strategy >= len(STRATEGIES) or n > MOST_RULES:
        raise ValueError(f"{path}: corrupt: its parameters contradict each other")
    bound = tuple(Rule(*RULE.unpack_from(rules, RULE.size * i)) for i in range(n))
    return Head(kind, size, max_keys, seed, boot, strategy, bound)


def check_size(handle: int, head: Head, path: str) -> None:
    size = os.fstat(handle).st_size
    if size != head.size:
        words = "truncated: fewer" if size < head.size else "more"
        raise ValueError(f"{path}: {words} bytes than its header promises")


def check_head(head: Head, path: str, kind: bytes, max_keys: int, seed: int | None) -> None:
    """Raise, naming the parameter, unless a file is what is wanted, as far as this is known."""
    if head.kind != kind:
        raise ValueError(
            f"{path}: made by {MAKERS[head.kind]}; {MAKERS[kind]} cannot share it, only replace it "
            "once it is unlinked"
        )
    if head.max_keys != max_keys:
        raise ValueError(f"max_keys must be {head.max_keys}, as {path} has it, not {max_keys}")
    if seed is not None and head.seed != seed:
        raise ValueError(f"seed must be {head.seed}, as {path} has it, not {seed}")


def check_rules(head: Head, path: str, strategy: int, rules: Sequence[Rule]) -> None:
    if head.strategy != strategy:
        ours, theirs = STRATEGIES[strategy], STRATEGIES[head.strategy]
        raise ValueError(f"strategy must be {theirs}, as {path} has it, not {ours}")
    if head.rules != tuple(rules):
        words = "; ".join(
            f"limit {rule.limit}, {rule.count} in {rule.period_ns / 1e9:g} s" for rule in head.rules
        )
        raise ValueError(f"rate must be that of {path} ({words})")


def is_stale(head: Head) -> bool:
    """Whether a file is of another boot: its times mean nothing."""
    return head.boot != boot_id()


def check_existing(path: str, kind: bytes, max_keys: int, seed: int | None) -> int | None:
    """Raise if there is a file and not what is wanted; else return its seed, if there is one."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        head = read_head(handle, path)
        if is_stale(head):
            return None
        check_size(handle, head, path)
        check_head(head, path, kind, max_keys, seed)
        return head.seed
    finally:
        os.close(handle)


def attach(path: str, wanted: Wanted) -> tuple[mmap.mmap, int, int]:
    """Map the file, made if it is not there or of another boot.

    Returns the map, the seed, and the open file that is mapped.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "no locks on files, which SharedMemory needs, on this system")
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                make(path, wanted, os.link)
            continue
        mapped = None
        try:
            head = read_head(handle, path)
            if is_stale(head):
                fcntl.flock(handle, fcntl.LOCK_EX)  # one replaces it, the others find the new one
                if is_at(handle, path):
                    make(path, wanted, os.replace)
                continue
            check_size(handle, head, path)
            check_head(head, path, wanted.kind, wanted.max_keys, wanted.seed)
            check_rules(head, path, wanted.strategy, wanted.rules)
            if head.size != wanted.size:
                raise ValueError(f"{path}: corrupt: its parameters contradict each other")
            mapped = mmap.mmap(handle, head.size)
            return mapped, head.seed, handle
        finally:
            if mapped is None:
                os.close(handle)


def make(path: str, wanted: Wanted, place: Any) -> None:
    """Make a file and let `place` give it its name, in one step."""
    import tempfile

    folder, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)  # for its owner alone
    except OSError as error:
        raise OSError(error.errno, f"it cannot be made: {error.strerror}", path) from None
    try:
        space = os.fstatvfs(handle)
        if wanted.size > space.f_bavail * space.f_frsize:
            free = space.f_bavail * space.f_frsize
            words = f"a file of {wanted.size} bytes may be needed, and {free} are free"
            raise OSError(errno.ENOSPC, words, path)
        os.truncate(handle, wanted.size)
        os.pwrite(handle, write_head(wanted), 0)
        place(temporary, path)
    finally:
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def is_at(handle: int, path: str) -> bool:
    """Whether an open file is the one that has a name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def identity(handle: int) -> tuple[int, int]:
    """What an open file is known by to the system."""
    found = os.fstat(handle)
    return found.st_dev, found.st_ino


def reopen(handle: int, path: str, known: tuple[int, int]) -> tuple[mmap.mmap, int]:
    """Map a file anew in the child of a fork: then locks on the two exclude each other.

    `handle` may have been closed behind our back, and be another file now; then the name must do.
    """
    for name in (f"/proc/self/fd/{handle}", path):
        with contextlib.suppress(OSError):
            again = os.open(name, os.O_RDWR | os.O_CLOEXEC)
            if identity(again) == known:
                return mmap.mmap(again, os.fstat(again).st_size), again
            os.close(again)
    raise OSError(errno.ENOENT, "it was unlinked or replaced, and cannot be opened anew", path)


def take_record(handle: int, path: str, records: int) -> int:
    """Lock the first of `records` bytes that nobody else has locked, and return its number.

    The lock belongs to the open file, and lasts while that is mapped, even if it is closed: the
    system takes it back when the last process that has the map, through a fork, has let go of it
    or come to an end, however.
    """
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        raise OSError(errno.ENOTSUP, "no locks of open files (F_OFD_SETLK) on this system", path)
    for record in range(records):
        try:
            fcntl.fcntl(handle, command, LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, record, 1, 0))
        except (BlockingIOError, PermissionError):
            continue
        return record
    raise OSError(errno.EUSERS, f"more than {records} processes or objects use it at once", path)


def unlink(path: str) -> None:
    """Remove a file's name, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
