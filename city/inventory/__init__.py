"""The city's things: devices, places, containers, zones and profiles, and how they are read from files."""
