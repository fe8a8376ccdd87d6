"""The Things Stack, a LoRaWAN network server."""
