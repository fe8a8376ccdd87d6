"""From the bus to the store: what has threads and disks."""
