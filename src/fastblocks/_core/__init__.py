"""Ground floor shared by every block: keys, arrays, state, errors. Not public."""

from . import cpu  # refuses a FASTBLOCKS_CPU that this machine cannot run

__all__ = ["cpu"]
