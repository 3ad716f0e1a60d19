"""Simulated devices that speak the real protocols."""
