"""Building blocks of large systems at the speed of C.

Every class is here and in its family module (`fastblocks.filters`); functions are in their family
module (`fastblocks.hashing`). `fastblocks.pure` has the same in plain Python.
"""

from . import filters, hashing, sketches
from .filters import BloomFilter, FilterFullError
from .sketches import CountMinSketch, FrequencySketch

__version__ = "0.1.0"
__all__ = [
    "BloomFilter",
    "CountMinSketch",
    "FilterFullError",
    "FrequencySketch",
    "__version__",
    "filters",
    "hashing",
    "sketches",
]
