"""Derived points for boards, written to InfluxDB beside the readings; they can be computed again."""
