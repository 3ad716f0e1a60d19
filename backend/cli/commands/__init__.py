"""The commands of `seduce`: one module per group, with options, help text and body together.

These modules import at their top only what the options need. Each body imports its own needs, so that `--help` stays fast.
"""
