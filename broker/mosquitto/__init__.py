"""Files of a real Mosquitto, made from the definition that the embedded broker works with."""
