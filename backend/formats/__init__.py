"""Files of readings: readers and writers between byte streams and batches of readings."""
