"""Benchmarks of `fastblocks.hashing`."""
