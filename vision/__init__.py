"""The dumping watcher: capture, deposit detection, window check, evidence, and an event like any device's."""
