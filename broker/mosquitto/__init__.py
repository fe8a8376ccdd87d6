"""Configuration files for Mosquitto, from the same table of rights as the embedded broker."""
