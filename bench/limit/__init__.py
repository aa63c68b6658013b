"""Benchmarks of `fastblocks.limit`."""
