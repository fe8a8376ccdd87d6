"""Authentication and rights of whoever asks the API."""
