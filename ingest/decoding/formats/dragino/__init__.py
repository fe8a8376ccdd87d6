"""Dragino's distance sensors, by their frames."""
