"""Processes of a city: settings, secrets, supervision, logs, heartbeats."""
