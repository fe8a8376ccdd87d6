"""Traccar, a server of trackers."""
