import numpy as np
from numpy.typing import NDArray

from fastblocks._core.types import Key, Keys

def xxh3_64(key: Key, seed: int = 0) -> int: ...
def xxh3_64_many(
    keys: Keys, seed: int = 0, out: NDArray[np.uint64] | None = None
) -> NDArray[np.uint64]: ...
