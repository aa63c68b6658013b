from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

def polygon_to_cells(
    outer: Any,
    res: int,
    holes: Sequence[Any] = (),
    containment: Literal["center", "full", "overlap", "bbox_overlap"] = "center",
) -> npt.NDArray[np.uint64]: ...
