"""The packages that have a cache."""

import fastblocks
import fastblocks.pure

TWINS = {
    name: package
    for name, package in {"native": fastblocks, "pure": fastblocks.pure}.items()
    if hasattr(package, "Cache")
}
POLICIES = ["w-tinylfu", "lru", "s3-fifo", "sieve"]
