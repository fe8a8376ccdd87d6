"""The worker processes of a machine's cameras."""
