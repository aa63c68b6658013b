"""Print what the extras of the installed package ask for: ``python tools/requirements.py test``."""

from __future__ import annotations

import importlib.metadata
import re
import sys


def requirements(extras: set[str]) -> list[str]:
    """Return the requirements that any of `extras` adds, without the condition on the extra."""
    result = []
    for line in importlib.metadata.requires("fastblocks") or []:
        extra = re.search(r"extra == [\"'](.*?)[\"']", line)
        if extra and extra[1] in extras:
            result.append(re.sub(r"( and |; *)extra == [\"'].*?[\"']", "", line))
    return result


if __name__ == "__main__":
    print(*requirements({name for word in sys.argv[1:] for name in word.split(",")}), sep="\n")
