"""Command centre: a kiosk dashboard for a large screen, readable from three metres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.columns import STATE_COLOURS, flag_map
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.dashboards.dispatch import BIN_LEGEND, LABELLED_TRUCKS, TRUCK_LEGEND, TRUCKS_ON_MAP
from grafana.influxql import IN_RANGE, Select, Term, at_least, call, differs, matches_variables
from grafana.layout import Row, equal
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.measurements import PLATFORM
from grafana.panels import SeriesStyles, legend_panel, stat, stat_list
from grafana.queries import KNOWN_PLACE, city_sum, data_age, devices, platform_answers, platform_now
from grafana.theme import ANY_IS_BAD, ANY_IS_WARN, CALM_STEPS, FLAG_STEPS, GOOD_STEPS, LAG_STEPS, PLAIN_STEPS, Steps
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city",)
_KINDS: Final = ("bin", "truck", "ap", "camera")
_ALARMS_SHOWN: Final = 8
_ALARM: Final = 2
"""Severity that needs action. Full bins have it too, but are many, so they are only counted."""

_ON_MAP: Final = ("name", "device", "state", "urgency", LATITUDE, LONGITUDE)
_BINS: Final = Markers("bin", devices(("bin",), *_ON_MAP, conditions=(KNOWN_PLACE,)), size_px=5)
_APS: Final = Markers("ap", devices(("ap",), *_ON_MAP, conditions=(KNOWN_PLACE,)), size_px=7)
_ALARMS: Final = devices(
    _KINDS, "label", "state", "urgency", conditions=(at_least("severity", _ALARM), differs("state", "full"))
)


# The present, in a row that there is as long as data of the last day are there.
_CLOCK: Final = Select(
    ((call("last", "newest_at") * 0 + Term("$__to", ())).alias("now_ms"),),
    PLATFORM,
    (IN_RANGE, *matches_variables("city")),
)
_AP_LEGEND: Final[dict[tuple[str, str], SeriesStyles]] = {
    ("kinds.ap", "square"): {
        state: (f"states.ap.{state}", STATE_COLOURS["ap"][state]) for state in ("up", "slow", "down")
    }
}

_METRICS: Final[tuple[tuple[str, str, Steps], ...]] = (
    ("command.full", "bins_full", ANY_IS_WARN),
    ("command.fires", "fires", ANY_IS_BAD),
    ("command.on_route", "trucks_on_route", CALM_STEPS),
    ("command.broken", "trucks_broken", ANY_IS_BAD),
    ("command.collected", "collected_today", GOOD_STEPS),
    ("command.open_cases", "open_cases", ANY_IS_BAD),
    ("command.aps_down", "aps_down", ANY_IS_BAD),
    ("command.clients", "clients", CALM_STEPS),
)
"""Text key, field of `area_state`, and thresholds of the eight city metrics."""


def _rows(context: DashboardContext) -> Sequence[Row]:
    metrics = [stat(context, key, city_sum(name, NAMES), steps=steps, big=True) for key, name, steps in _METRICS]
    silent = platform_now("devices_silent")
    health = [
        stat(context, "command.lag", data_age(), steps=LAG_STEPS, unit="dthms", big=True),
        stat(context, "command.store", platform_now("store_ok"), steps=FLAG_STEPS, mapping=flag_map(context), big=True),
        stat(
            context,
            "command.connected",
            platform_now("connected"),
            steps=FLAG_STEPS,
            mapping=flag_map(context),
            big=True,
        ),
        stat(context, "command.silent", silent, steps=ANY_IS_WARN, big=True),
    ]
    clock = stat(context, "command.clock", _CLOCK, steps=PLAIN_STEPS, unit="time:HH:mm", big=True)
    city = city_map(context, "command.map", [_BINS, _APS, TRUCKS_ON_MAP, LABELLED_TRUCKS], big=True)
    legend = legend_panel(context, "command.legend", {**BIN_LEGEND, **TRUCK_LEGEND, **_AP_LEGEND})
    alarms = stat_list(context, "command.alarms", [_ALARMS, platform_answers()], "state", _KINDS, _ALARMS_SHOWN)
    return [
        equal(6, *metrics),
        [(12, [(15, city), (2, legend)]), (12, [(17, alarms)])],
        [*((5, [(5, panel)]) for panel in health), (4, [(5, clock)])],
    ]


COMMAND: Final = DashboardSpec("command", _rows, NAMES, span="24h", refresh="10s", kiosk=True)
