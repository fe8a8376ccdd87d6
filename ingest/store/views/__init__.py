"""Read models: what the console and the boards show of records."""
