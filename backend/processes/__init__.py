"""The entry points: each assembles one process from the other packages."""
