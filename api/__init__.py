"""The HTTP interface: REST under `/api/v1`, a live stream, and the console."""
