"""RADIUS accounting as JSON."""
