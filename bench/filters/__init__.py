"""Benchmarks of `fastblocks.filters`."""
