"""Software at or beside a device: sensors, the outbox that survives outages, and the agent that publishes from it."""
