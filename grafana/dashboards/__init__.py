"""The dashboards, one file each."""

from __future__ import annotations

from typing import Final

from grafana.dashboard import DashboardSpec
from grafana.dashboards.command import COMMAND
from grafana.dashboards.dispatch import DISPATCH
from grafana.dashboards.dumping import DUMPING
from grafana.dashboards.fleet import FLEET
from grafana.dashboards.platform import PLATFORM_HEALTH
from grafana.dashboards.wifi import WIFI

DASHBOARDS: Final[tuple[DashboardSpec, ...]] = (DISPATCH, DUMPING, FLEET, WIFI, COMMAND, PLATFORM_HEALTH)
"""In the order in which a city uses them."""
