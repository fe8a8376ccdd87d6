"""What boards need and raw readings cannot say, written to InfluxDB beside them; derived, so it may be made again."""
