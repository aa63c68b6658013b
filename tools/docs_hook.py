"""A hook of mkdocs: inspection, which makes the reference, is told where classes come from.

Public classes of plain Python say that they come from their family (``fastblocks.limit``), since
that is where users find them. Inspection follows their methods to the module that they are written
in, and from there back to the family; so while the site is built classes say the same.
"""

from __future__ import annotations

import inspect

import fastblocks


def on_startup(**_: object) -> None:
    """Called by mkdocs before anything else."""
    for name in fastblocks.__all__:
        value = getattr(fastblocks, name)
        if inspect.isclass(value):
            methods = filter(inspect.isfunction, vars(value).values())
            modules = [m.__module__ for m in methods if m.__module__.startswith("fastblocks.")]
            if modules:  # none, if it is a class of an extension, or a named tuple
                value.__module__ = modules[0]
