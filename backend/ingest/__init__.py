"""The only writer of raw readings: validation, spool and drain."""
