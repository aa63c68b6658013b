"""The same classes and functions in plain Python: specification, oracle and baseline.

Same names, arguments, answers, errors and serialised bytes as the native ones; slower, and short
enough to be read. Chosen by name, never by fall-back.
"""

from . import filters, hashing, sketches
from .filters import BloomFilter, FilterFullError
from .sketches import CountMinSketch, FrequencySketch

__all__ = [
    "BloomFilter",
    "CountMinSketch",
    "FilterFullError",
    "FrequencySketch",
    "filters",
    "hashing",
    "sketches",
]
