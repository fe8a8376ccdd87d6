"""Axis cameras."""
