"""Recomputation jobs: selection of series, slices, execution, and the health of continuous queries."""
