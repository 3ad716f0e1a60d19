"""The command `seduce`."""
