"""Capture: pictures with their times from files, folders and cameras, and the watchdog that keeps them coming."""
