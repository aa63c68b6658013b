"""Ring: which node holds this key, while nodes come and go."""

from fastblocks._core.errors import UnknownNodeError

from .jump import jump_hash, jump_hash_many
from .rendezvous import RendezvousHash

__all__ = ["RendezvousHash", "UnknownNodeError", "jump_hash", "jump_hash_many"]
