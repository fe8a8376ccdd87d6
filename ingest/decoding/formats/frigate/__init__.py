"""Frigate, a video recorder."""
