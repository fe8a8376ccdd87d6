"""LORIOT, a LoRaWAN network server."""
