"""Seen from Python this module is empty: it serves other Cython modules."""
