"""Benchmarks of `fastblocks.ring`."""
