"""The embedded broker: nats-server, its configuration, authentication, and the reader of its stream."""
