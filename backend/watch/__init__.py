"""Sensors watched: what befalls them, noticed, kept and told."""
