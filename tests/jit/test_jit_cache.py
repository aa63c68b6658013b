"""What is compiled is cached: another process loads it."""

import os
import subprocess
import sys

PROGRAM = """
from numba import njit
from fastblocks import BloomFilter, HashRing
from fastblocks.geo import geohash
from fastblocks.geo.distance import haversine
from fastblocks.hashing import xxh3_64

@njit(cache=True)
def node(ring, bloom, key):
    return ring.get_index(key) if key in bloom else -1

@njit(cache=True)
def metres(lat):
    return haversine(lat, 1.0, 2.0, 3.0)

@njit(cache=True)
def bits(lat, lng):
    return xxh3_64(geohash.encode_int(lat, lng))

ring, bloom = HashRing(["a", "b", "c"]), BloomFilter(10)
bloom.add("x")
results = node(ring, bloom, "x"), node(ring, bloom, "y"), metres(5.0)
assert results == (ring.get_index("x"), -1, haversine(5.0, 1.0, 2.0, 3.0)), results
for lng in (3.0, 300.0):
    assert bits(38.0, lng) == bits.py_func(38.0, lng)
print(*(sum(f.stats.cache_hits.values()) for f in (node, metres, bits)))
"""


def run(path, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    result = subprocess.run(
        [sys.executable, str(path)], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_another_process_takes_it_from_the_cache(tmp_path):
    """Numba finds fastblocks by itself: nothing here imports `fastblocks.jit`."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    assert run(path, tmp_path / "cache") == ["0", "0", "0"]
    assert run(path, tmp_path / "cache") == ["1", "1", "1"]


def test_without_numba():
    program = "import sys; sys.modules['numba'] = None; import fastblocks; import fastblocks.jit"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "needs the package numba: pip install 'fastblocks[numba]'" in result.stderr
