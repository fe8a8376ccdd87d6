"""What people and programs see: REST under `/api/v1`, a live stream, and the console."""
