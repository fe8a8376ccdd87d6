"""Verbs of ingest."""
