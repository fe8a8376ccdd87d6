"""Command centre: one wall for a big screen; letters for three metres, nothing to click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.asked import KNOWN_PLACE, city_sum, devices, platform_now
from grafana.board import Board
from grafana.boards.dispatch import TRUCKS_ON_MAP
from grafana.house import ANY_IS_BAD, ANY_IS_WARN, CALM_STEPS, FLAG_STEPS, GOOD_STEPS, LAG_STEPS, House, Steps
from grafana.influxql import at_least, differs
from grafana.layout import Row, equal
from grafana.looks import flag_map
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.panels import big_list, stat
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city",)
_KINDS: Final = ("bin", "truck", "ap", "camera")
_ALARMS_SHOWN: Final = 8
_ALARM: Final = 2
"""Severity of what has to be acted on; full bins are, too, but by the dozen, and are counted above."""

_ON_MAP: Final = ("device", "name", "state", LATITUDE, LONGITUDE)
_BINS: Final = Markers("bin", devices(("bin",), *_ON_MAP, only=(KNOWN_PLACE,)), size_px=4)
_APS: Final = Markers("ap", devices(("ap",), *_ON_MAP, only=(KNOWN_PLACE,)), size_px=5)
_ALARMS: Final = devices(
    _KINDS, "kind", "name", "kelurahan", "state", only=(at_least("severity", _ALARM), differs("state", "full"))
)


_FIGURES: Final[tuple[tuple[str, str, Steps], ...]] = (
    ("command.full", "bins_full", ANY_IS_WARN),
    ("command.fires", "fires", ANY_IS_BAD),
    ("command.on_route", "trucks_on_route", CALM_STEPS),
    ("command.broken", "trucks_broken", ANY_IS_BAD),
    ("command.collected", "collected_today", GOOD_STEPS),
    ("command.open_cases", "open_cases", ANY_IS_BAD),
    ("command.aps_down", "aps_down", ANY_IS_BAD),
    ("command.clients", "clients", CALM_STEPS),
)
"""Text, field of `area_state`, and colours: eight figures of the city."""


def _rows(house: House) -> Sequence[Row]:
    figures = [stat(house, key, city_sum(name, NAMES), steps=steps, big=True) for key, name, steps in _FIGURES]
    silent = platform_now("devices_silent")
    health = [
        stat(house, "command.lag", platform_now("live_lag_s"), steps=LAG_STEPS, unit="dthms", big=True),
        stat(house, "command.store", platform_now("store_ok"), steps=FLAG_STEPS, mapping=flag_map(house), big=True),
        stat(
            house, "command.connected", platform_now("connected"), steps=FLAG_STEPS, mapping=flag_map(house), big=True
        ),
        stat(house, "command.silent", silent, steps=ANY_IS_WARN, big=True),
    ]
    city = city_map(house, "command.map", [_BINS, _APS, TRUCKS_ON_MAP], big=True)
    alarms = big_list(house, "command.alarms", _ALARMS, "state", _KINDS, _ALARMS_SHOWN)
    return [
        equal(6, *figures),
        [(13, [(17, city)]), (11, [(17, alarms)])],
        equal(5, *health),
    ]


COMMAND: Final = Board("command", _rows, NAMES, span="24h", refresh="10s", wall=True)
