"""The server around the app: limits, hosts, connections, problems."""
