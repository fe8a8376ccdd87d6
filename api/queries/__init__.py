"""Answers without HTTP: what routes and pages share."""
