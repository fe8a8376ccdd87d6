"""The embedded broker: nats-server, its configuration, who is let in, and the reader of its stream."""
