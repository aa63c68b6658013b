"""Objects whose whole state is one flat run of bytes: memory, files, copies."""

from __future__ import annotations

import copy as copying
import struct
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from fastblocks._core import errors, files

from . import _state

if TYPE_CHECKING:
    import mmap

    from typing_extensions import Buffer, Self

    from fastblocks._core.files import PathLike

__all__ = ["Flat"]

T = TypeVar("T", bound="Flat")


class Flat:
    """Base of classes that keep their data in one payload, of their own or in a mapped file.

    A derived class sets ``_KIND``, ``_VERSION``, ``_PARAMETERS`` (the names of the constructor's
    arguments that objects must share to be combined) and ``_FILE_USE``, calls `_take` in
    ``__init__``, and tells in `_params` and `_adopt` how its parameters are serialised; in `_admit`
    whether the payload's contents make sense; in `_gather` what the payload is, if it is not
    ``_payload`` as it stands.

    Threads exclude each other by a lock. Of processes that map one file, only one may write
    through these classes (some of the native ones have no such limit).
    """

    __slots__ = ("__weakref__", "_lock", "_mapping", "_payload")  # a __dict__ is the subclass's own

    _KIND: ClassVar[bytes]
    _VERSION: ClassVar[int]
    _PARAMETERS: ClassVar[tuple[str, ...]]
    _FILE_USE: ClassVar[Literal["many writers", "one writer", "no writer"]] = "one writer"

    _payload: memoryview
    _mapping: mmap.mmap | None
    _lock: threading.RLock

    def _begin_init(self) -> None:
        if hasattr(self, "_payload"):
            raise RuntimeError(f"this {type(self).__name__} has been initialised already")

    def _params(self) -> bytes:
        """The parameters as they stand in the header: 88 bytes."""
        raise NotImplementedError

    def _adopt(self, params: bytes, size: int) -> bool:
        """Take over parameters; False if they contradict each other or the payload's size."""
        raise NotImplementedError

    def _admit(self) -> bool:
        """After copying, loading or mapping: False if the payload's contents make no sense."""
        return True

    def _gather(self) -> bytes:
        """The payload, as it is serialised."""
        return self._payload.tobytes()

    def _take(self, payload: memoryview, mapping: mmap.mmap | None = None) -> None:
        """Make `payload` the object's data."""
        self._payload = payload
        self._mapping = mapping
        self._lock = threading.RLock()

    def _check_writable(self, method: str) -> None:
        if self._payload.readonly:
            for_good = self._FILE_USE == "no writer"
            raise errors.read_only_for_good(method) if for_good else errors.read_only(method)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, or of mapped file, that the object's data take."""
        return self._payload.nbytes

    def copy(self) -> Self:
        """Return an equal object of its own, in memory."""
        result = object.__new__(type(self))
        with self._lock:
            payload = bytearray(self._gather())
            result._adopt(self._params(), len(payload))
        result._take(memoryview(payload))
        result._admit()
        if attributes := getattr(self, "__dict__", None):  # that a subclass has put there
            result.__dict__.update(attributes)
        return result

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        result = self.copy()
        if attributes := getattr(self, "__dict__", None):
            result.__dict__.update(copying.deepcopy(attributes, memo))
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self.to_bytes(),), getattr(self, "__dict__", None) or None

    def to_bytes(self) -> bytes:
        """Return the object as bytes: parameters, data and checksums."""
        with self._lock:
            payload = self._gather()
        return _state.pack(self._KIND, self._VERSION, self._params(), payload)

    @classmethod
    def from_bytes(cls, data: Buffer) -> Self:
        """Make an object from what `to_bytes` gave."""
        view = memoryview(data).cast("B")
        result = cls._of_state(view, cls.__name__, verify=True)
        result._take(memoryview(bytearray(view[files.HEADER_BYTES :])))
        if not result._admit():
            raise errors.status("STATE_PARAMS", cls.__name__)
        return result

    def save(self, path: PathLike) -> None:
        """Write the object to a file, which is replaced atomically."""
        files.replace_file(path, [self.to_bytes()])

    @classmethod
    def open(cls, path: PathLike, mode: Literal["r", "r+"] = "r", *, verify: bool = True) -> Self:
        """Map a saved object into memory; see the native class."""
        writable = files.open_mode(mode)
        name = files.path_of(path)
        if writable and cls._FILE_USE == "no writer":
            raise errors.unchangeable(cls)
        mapping = files.map_file(name, writable, cls._FILE_USE == "one writer")
        view = memoryview(mapping)
        result = cls._of_state(view, name, verify)
        result._take(view[files.HEADER_BYTES :], mapping)
        if not result._admit():
            raise errors.status("STATE_PARAMS", name)
        if writable:
            _state.set_live(view)
        return result

    @classmethod
    def _of_state(cls, data: memoryview, what: str, verify: bool) -> Self:
        """An object with the parameters that serialised bytes tell, once checked; no data yet."""
        params = _state.unpack(data, cls._KIND, cls._VERSION, what, verify)
        result = object.__new__(cls)
        if not result._adopt(params, len(data) - files.HEADER_BYTES):
            raise errors.status("STATE_PARAMS", what)
        return result

    def _differing(self, other: Flat) -> tuple[str, Any, Any] | None:
        """Name and values of the first parameter in which two objects of one class differ."""
        for name in self._PARAMETERS:
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                return name, ours, theirs
        if self._params() != other._params():
            words = struct.Struct("<11Q")
            return "layout", words.unpack(self._params()), words.unpack(other._params())
        return None

    def _check_same(self, other: object, cls: type[T]) -> T:
        """`other`, if it is a `cls` with equal parameters."""
        if not isinstance(other, cls):
            raise errors.not_a("other", cls, other)
        difference = self._differing(other)
        if difference is not None:
            raise errors.unequal(*difference)
        return other

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._PARAMETERS)
        return f"{type(self).__name__}({words})"

    def flush(self) -> None:
        """Wait until what was added to a mapped file is on disk; nothing to do otherwise."""
        if self._mapping is not None and not self._payload.readonly:
            self._mapping.flush()
