"""Watches sensors: detects silence and implausible values, records them as events, and counts errors."""
