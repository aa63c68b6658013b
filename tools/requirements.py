"""Print what the extras of the installed package ask for: ``python tools/requirements.py test``."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Collection, Iterable


def requirements(extras: Iterable[str], declared: Collection[str]) -> list[str]:
    """Return the requirements that any of `extras` adds, each once, without their conditions.

    `declared` are the package's own; where an extra asks for other extras, those are followed.
    """
    result: dict[str, None] = {}
    for wanted in extras:
        conditions = [f"extra == {quote}{wanted}{quote}" for quote in "\"'"]
        lines = [line for line in declared if line.endswith(tuple(conditions))]
        if not lines:
            raise SystemExit(f"there is no extra {wanted!r}")
        for line in lines:
            needed = re.sub(r"( and |; *)extra == .*", "", line).strip()
            own = re.fullmatch(r"fastblocks\[(.*)\]", needed)
            found = requirements(own[1].split(","), declared) if own else [needed]
            result |= dict.fromkeys(found)
    return list(result)


if __name__ == "__main__":
    names = [name for word in sys.argv[1:] for name in word.split(",")]
    print(*requirements(names, importlib.metadata.requires("fastblocks") or []), sep="\n")
