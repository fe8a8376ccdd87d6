"""ONVIF cameras behind a bridge."""
