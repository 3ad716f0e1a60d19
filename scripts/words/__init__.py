"""The word check: rules about names, docstrings and sentences that `make check` enforces."""
