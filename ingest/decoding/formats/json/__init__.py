"""Plain JSON of any device."""
