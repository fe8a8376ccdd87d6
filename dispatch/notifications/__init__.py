"""Notifications of alarms: to whom, when, and through which service; sent by `apprise` in a process of its own.

the alarms' history -> `deliveries` (database) -> `planning`, `messages` -> `sender_process` -> `sender` (apprise)
"""
