"""Teltonika trackers with Codec JSON."""
