from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

def polygon_to_cells(
    outer: Any, res: int, holes: Sequence[Any] = (), containment: str = "center"
) -> npt.NDArray[np.uint64]: ...
