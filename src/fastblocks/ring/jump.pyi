import numpy as np
from numpy.typing import NDArray

from fastblocks._core.types import Key, Keys

def jump_hash(key: Key, buckets: int) -> int: ...
def jump_hash_many(
    keys: Keys, buckets: int, out: NDArray[np.int32] | None = None
) -> NDArray[np.int32]: ...
