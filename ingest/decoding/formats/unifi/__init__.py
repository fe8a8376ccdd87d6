"""UniFi controllers."""
