"""Ask libmemcached where keys lie, for tests/golden/libmemcached.json.

    pip install pylibmc && python tools/libmemcached_vectors.py > tests/golden/libmemcached.json

The library itself is called, by way of ctypes: the one that pylibmc's wheels bring along.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import pathlib
import struct
from typing import Any

KETAMA_WEIGHTED = 16  # MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED
KEYS = 50_000
SHOWN = 500

# name -> weights, ports
RINGS: dict[str, tuple[list[int], list[int]]] = {
    "3": ([1] * 3, [11211] * 3),
    "100": ([1] * 100, [11211] * 100),
    "other ports": ([1] * 100, list(range(12000, 12100))),
    "weights 1 to 7": (list(range(1, 8)), [11211] * 7),
    "far apart": ([1, 1, 50, *[40] * 50], list(range(1, 54))),
    "41": ([1] * 41, [1121] * 41),
}


def load() -> ctypes.CDLL:
    """Return libmemcached with its functions declared."""
    folder = pathlib.Path(str(importlib.import_module("pylibmc").__file__)).parent.parent
    (path,) = (folder / "pylibmc.libs").glob("libmemcached-*.so*")
    library = ctypes.CDLL(str(path))
    pointer = ctypes.c_void_p
    declared: dict[str, tuple[Any, list[Any]]] = {
        "create": (pointer, [pointer]),
        "behavior_set": (ctypes.c_int, [pointer, ctypes.c_int, ctypes.c_uint64]),
        "server_add_with_weight": (
            ctypes.c_int,
            [pointer, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_uint32],
        ),
        "generate_hash": (ctypes.c_uint32, [pointer, ctypes.c_char_p, ctypes.c_size_t]),
    }
    for name, (result, arguments) in declared.items():
        function = getattr(library, f"memcached_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def answers(library: ctypes.CDLL, servers: list[tuple[str, int, int]]) -> list[int]:
    """Return the index of the server of every key."""
    memory = library.memcached_create(None)
    assert library.memcached_behavior_set(memory, KETAMA_WEIGHTED, 1) == 0
    for host, port, weight in servers:
        add = library.memcached_server_add_with_weight
        assert add(memory, host.encode(), port, weight) == 0
    keys = [b"key-%d" % i for i in range(KEYS)]
    return [library.memcached_generate_hash(memory, key, len(key)) for key in keys]


def main() -> None:
    """Print the vectors."""
    library = load()
    vectors = {}
    for name, (weights, ports) in RINGS.items():
        hosts = [f"10.0.{i // 200}.{i % 200 + 1}" for i in range(len(weights))]
        servers = list(zip(hosts, ports, weights, strict=True))
        found = answers(library, servers)
        vectors[name] = {
            "servers": servers,
            "first": found[:SHOWN],
            "sha256": hashlib.sha256(struct.pack(f"<{KEYS}i", *found)).hexdigest(),
        }
    print(json.dumps(vectors, separators=(",", ":")))


if __name__ == "__main__":
    main()
