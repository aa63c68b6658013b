"""Comparative benchmark: native fastblocks, its pure-Python twin and other libraries.

Run it with ``python -m bench`` from the root of the repository. A benchmark is one file,
``bench/<family>/bench_<block>.py``; `bench.model` says what it contains.
"""
