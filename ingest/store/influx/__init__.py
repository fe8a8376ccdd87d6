"""The store in an InfluxDB 1 or 2."""
