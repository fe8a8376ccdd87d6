"""The contract between devices and the city: topics, payloads, units. Imports nothing of ours but the errors."""
