"""Checks, generated pages and the example description."""
