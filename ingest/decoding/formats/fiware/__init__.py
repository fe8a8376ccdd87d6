"""FIWARE IoT Agent JSON."""
