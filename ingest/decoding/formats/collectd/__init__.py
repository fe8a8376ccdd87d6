"""collectd, figures of routers."""
