"""The sketches that count keys, as the tests that all of them pass see them."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

KEYS = ["Lisbon", b"\xff\x00", 7, -7, 2**64 - 9, "Évora", "Lisbon", 7, 7]


@dataclass
class Counting:
    """One class: its name, the arguments of a small sketch, and its methods' names."""

    name: str
    args: tuple[Any, ...]
    add: str
    golden: str
    changes: dict[str, Callable[[Any, Any], Any]]  # method: a call of it with another sketch
    unequal: list[tuple[dict[str, Any], str]]  # other arguments, and what merge says
    hostile: list[tuple[int, int, str]]  # offset in the header, value, message
    contents: list[tuple[int, int]]  # offset in the payload, byte: what cannot be
    kwargs: dict[str, Any] = field(default_factory=dict)

    def cls(self, impl: types.ModuleType) -> Any:
        return getattr(impl, self.name)

    def empty(self, impl: types.ModuleType, **changed: Any) -> Any:
        return self.cls(impl)(*self.args, **{"seed": 3, **self.kwargs, **changed})

    def filled(self, impl: types.ModuleType, **changed: Any) -> Any:
        sketch = self.empty(impl, **changed)
        self.add_many(sketch, KEYS)
        self.add_many(sketch, np.arange(12))
        return sketch

    def add_one(self, sketch: Any, key: Any) -> None:
        getattr(sketch, self.add)(key)

    def add_many(self, sketch: Any, keys: Any) -> None:
        getattr(sketch, self.add + "_many")(keys)


FREQUENCY = Counting(
    "FrequencySketch",
    (20,),
    "record",
    "frequency_v1.bin",
    {
        "record": lambda s, other: s.record("x"),
        "record_many": lambda s, other: s.record_many(["x"] * 1000),
        "age": lambda s, other: s.age(),
        "merge": lambda s, other: s.merge(other),
        "clear": lambda s, other: s.clear(),
    },
    [({"seed": 4}, r"seed differs \(3 and 4\)")],
    [
        (32, 0, "parameters contradict"),  # capacity
        (32, 25, "parameters contradict"),
        (32, 2**35 + 1, "parameters contradict"),
        (32, 2**64 - 1, "parameters contradict"),
        (48, 1, "parameters contradict"),  # unused
        (112, 1, "parameters contradict"),
    ],
    [(0, 200), (1, 1), (7, 0x80), (8, 1), (63, 1)],
)
COUNT_MIN = Counting(
    "CountMinSketch",
    (21, 3),
    "add",
    "count_min_v1.bin",
    {
        "add": lambda s, other: s.add("x", 7),
        "add_many": lambda s, other: s.add_many(range(1000), range(1000)),
        "merge": lambda s, other: s.merge(other),
        "clear": lambda s, other: s.clear(),
    },
    [
        ({"seed": 4}, r"seed differs \(3 and 4\)"),
        ({"conservative": False}, r"conservative differs \(True and False\)"),
    ],
    [
        (32, 0, "parameters contradict"),  # width
        (32, 23, "parameters contradict"),
        (32, 2**32 + 1, "parameters contradict"),
        (32, 2**63, "parameters contradict"),
        (40, 0, "parameters contradict"),  # depth
        (40, 4, "parameters contradict"),
        (40, 33, "parameters contradict"),
        (40, 2**32 + 3, "parameters contradict"),
        (48, 2, "parameters contradict"),  # conservative
        (64, 1, "parameters contradict"),  # unused
        (112, 1, "parameters contradict"),
    ],
    [(8, 1), (63, 1), (64 + 4 * 63, 1), (64 + 4 * 63 + 3, 0x80)],  # the last: behind 63 counters
)
COUNTING = [COUNT_MIN, FREQUENCY]
