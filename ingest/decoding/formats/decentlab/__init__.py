"""Decentlab's sensors, by their frames."""
