"""Where readings come from at the edge: one file per sensor, behind `port.Sensor`."""
