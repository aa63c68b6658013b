"""Benchmarks of `fastblocks.geo`."""
