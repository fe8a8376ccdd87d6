"""The command line, and its verbs that belong to no service."""
