"""Benchmarks of `fastblocks.sketches`."""
