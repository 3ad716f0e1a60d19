"""Recomputation jobs: what is to be computed again, in which slices, and how continuous queries fare."""
