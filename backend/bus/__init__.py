"""The live bus and the last values that follow it."""
