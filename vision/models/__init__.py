"""Learned detectors: which are known, and which is installed."""
