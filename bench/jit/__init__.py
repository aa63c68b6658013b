"""Benchmarks of `fastblocks.jit`."""
