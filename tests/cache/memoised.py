"""Cached functions at the top of a module, as pickles need them."""

import fastblocks
import fastblocks.pure


@fastblocks.cached
def native(x):
    """Of the native package."""
    return [x]


@fastblocks.pure.cached
def pure(x):
    """Of the pure package."""
    return [x]


class Native:
    @fastblocks.cached
    def method(self, x):
        return [x]


class Pure:
    @fastblocks.pure.cached
    def method(self, x):
        return [x]


FUNCTIONS = {"fastblocks": native, "fastblocks.pure": pure}
CLASSES = {"fastblocks": Native, "fastblocks.pure": Pure}
