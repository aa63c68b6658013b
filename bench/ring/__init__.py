"""Benchmarks of maps from keys to nodes."""
