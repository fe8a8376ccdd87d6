"""Sensor drivers: one file per sensor, behind `port.Sensor`."""
