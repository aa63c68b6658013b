"""The entries of a cache, and what is done to one of them."""

from typing_extensions import disjoint_base

@disjoint_base
class Entries: ...
