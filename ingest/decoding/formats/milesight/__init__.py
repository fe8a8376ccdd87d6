"""Milesight's sensors and gateways."""
