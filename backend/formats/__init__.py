"""Readings as files: readers and writers between streams of bytes and batches of readings."""
