"""Limits, permissions, cost and errors of an operation."""
