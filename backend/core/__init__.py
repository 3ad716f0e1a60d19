"""Shared types and interfaces; standard library and numpy only."""
