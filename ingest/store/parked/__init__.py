"""Messages that could not be stored: dead letters, and messages of unknown devices."""
