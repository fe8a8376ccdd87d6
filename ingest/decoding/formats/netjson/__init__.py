"""NetJSON DeviceMonitoring, as OpenWISP's agents send it."""
