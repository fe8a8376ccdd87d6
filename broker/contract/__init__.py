"""The contract between devices and the city: topics, payloads, units and errors. Imports nothing else of ours."""
