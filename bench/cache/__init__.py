"""Benchmarks of `fastblocks.cache`."""
