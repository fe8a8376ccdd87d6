"""Wi-Fi: which hotspots are up, who uses them, how they do, and signs of misuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.asked import city_sum, devices, event_count, events, mean_and_max
from grafana.board import Board
from grafana.house import (
    ANY_IS_BAD,
    ANY_IS_WARN,
    BUSY_STEPS,
    CALM,
    CALM_STEPS,
    LATENCY_STEPS,
    LOSS_STEPS,
    PLAIN_STEPS,
    WARN,
    House,
    Steps,
)
from grafana.influxql import IN_RANGE, INTERVAL, Select, at_least, call, chosen, equals, mean_5m, recent
from grafana.layout import Row, equal
from grafana.looks import level_map
from grafana.measurements import AP_5M, AP_AREA_5M, DEVICE_STATE
from grafana.panels import Named, series, stat, table
from grafana.targets import Ask
from grafana.timelines import history
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "site")
_MISUSE: Final = ("rogue_ap", "quota_exceeded", "tamper")
_NEWEST: Final = 100
_MEAN_AND_MAX: Final[Named] = {"mean": ("wifi.series.mean", CALM), "max": ("wifi.series.max", WARN)}

_HISTORY: Final = Select(
    (call("max", "severity").named("severity"),),
    DEVICE_STATE,
    (equals("kind", "ap"), IN_RANGE, *chosen(*NAMES)),
    by=("device",),
    every=INTERVAL,
    fill="none",
)
_USERS: Final = Select(
    (call("sum", "clients").named("clients"),),
    # A mean per hotspot first: the sum of all readings would depend on how often they report.
    Select(
        (mean_5m("clients").named("clients"),),
        AP_5M,
        (IN_RANGE, *chosen(*NAMES)),
        by=("device",),
        every=INTERVAL,
        fill="none",
    ),
    (IN_RANGE,),
    every=INTERVAL,
    fill="null",
)
_WORST: Final = devices(
    ("ap",),
    *("device", "name", "kelurahan", "site_name", "state", "reason", "since"),
    *("clients", "latency_ms", "loss_pct", "channel_busy_pct", "severity"),
    chosen_by=NAMES,
    only=(at_least("severity", 1),),
)


_MISUSE_EVENTS: Final = events(
    "ap", _MISUSE, "device", "kelurahan", "type", "state", "detail", newest=_NEWEST, chosen_by=NAMES
)


def _now(field_name: str) -> Select:
    return Select((mean_5m(field_name).named(field_name),), AP_AREA_5M, (recent("15m"), *chosen("city", "kelurahan")))


def _over_time(house: House, key: str, field_name: str, unit: str, top: float | None, steps: Steps) -> dashboard.Panel:
    asked = [Ask(mean_and_max(AP_AREA_5M, field_name), "$col")]
    return series(house, key, asked, unit=unit, named=_MEAN_AND_MAX, limits=(0, top), steps=steps)


def _rows(house: House) -> Sequence[Row]:
    users = [Ask(_USERS, "clients")]
    return [
        equal(
            4,
            stat(house, "wifi.down", city_sum("aps_down"), steps=ANY_IS_BAD),
            stat(house, "wifi.total", city_sum("aps"), steps=PLAIN_STEPS),
            stat(house, "wifi.clients", city_sum("clients"), steps=CALM_STEPS),
            stat(house, "wifi.latency_now", _now("latency_ms"), steps=LATENCY_STEPS, unit="ms"),
            stat(house, "wifi.loss_now", _now("loss_pct"), steps=LOSS_STEPS, unit="percent", decimals=1),
            stat(house, "wifi.misuse_count", event_count("ap", _MISUSE, NAMES), steps=ANY_IS_WARN),
        ),
        [(24, [(20, history(house, "wifi.history", [Ask(_HISTORY, "$tag_device")], level_map(house)))])],
        equal(
            8,
            series(house, "wifi.users", users, named={"clients": ("wifi.series.clients", CALM)}),
            _over_time(house, "wifi.load", "channel_busy_pct", "percent", 100, BUSY_STEPS),
        ),
        equal(
            8,
            _over_time(house, "wifi.latency", "latency_ms", "ms", None, LATENCY_STEPS),
            _over_time(house, "wifi.loss", "loss_pct", "percent", None, LOSS_STEPS),
        ),
        [
            (15, [(10, table(house, "wifi.worst", _WORST, kinds=["ap"], order=["-since", "severity"]))]),
            (9, [(10, table(house, "wifi.misuse", _MISUSE_EVENTS, kinds=["event"], show_time=True))]),
        ],
    ]


WIFI: Final = Board("wifi", _rows, NAMES, span="24h", refresh="30s")
