"""Sensoneo's sensors, by their frames."""
