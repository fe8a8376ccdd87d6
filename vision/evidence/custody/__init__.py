"""The custody log: chained, signed, verified."""
