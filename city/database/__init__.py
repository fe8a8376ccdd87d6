"""The relational database of the city: what people do and decide; SQLite on one machine, PostgreSQL in Compose."""
