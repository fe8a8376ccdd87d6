"""ChirpStack, a LoRaWAN network server."""
