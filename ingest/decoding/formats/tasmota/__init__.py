"""Tasmota, home-made devices."""
