"""Wi-Fi: availability, users, channel load, latency and loss of hotspots, and signs of misuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.columns import level_map
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import IN_RANGE, INTERVAL, Select, at_least, call, equals, matches_variables, mean_5m, recent
from grafana.layout import Row, equal
from grafana.measurements import AP_5M, AP_AREA_5M, DEVICE_STATE
from grafana.panels import SeriesStyles, stat, table, time_series
from grafana.queries import city_sum, devices, event_count, events, mean_and_max
from grafana.targets import Target
from grafana.theme import (
    ANY_IS_BAD,
    ANY_IS_WARN,
    BUSY_STEPS,
    CALM,
    CALM_STEPS,
    LATENCY_STEPS,
    LOSS_STEPS,
    PLAIN_STEPS,
    WARN,
    Steps,
)
from grafana.timelines import status_history
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "site")
_MISUSE: Final = ("rogue_ap", "quota_exceeded", "tamper")
_NEWEST: Final = 100
_MEAN_AND_MAX: Final[SeriesStyles] = {"mean": ("wifi.series.mean", CALM), "max": ("wifi.series.max", WARN)}

_HISTORY: Final = Select(
    (call("max", "severity").alias("severity"),),
    DEVICE_STATE,
    (equals("kind", "ap"), IN_RANGE, *matches_variables(*NAMES)),
    by=("device",),
    every=INTERVAL,
    fill="none",
)
_USERS: Final = Select(
    (call("sum", "clients").alias("clients"),),
    # A mean per hotspot first: the sum of all readings would depend on how often they report.
    Select(
        (mean_5m("clients").alias("clients"),),
        AP_5M,
        (IN_RANGE, *matches_variables(*NAMES)),
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
    filter_by=NAMES,
    conditions=(at_least("severity", 1),),
)


_MISUSE_EVENTS: Final = events(
    "ap", _MISUSE, "device", "kelurahan", "type", "state", "detail", newest=_NEWEST, filter_by=NAMES
)


def _now(field_name: str) -> Select:
    return Select(
        (mean_5m(field_name).alias(field_name),), AP_AREA_5M, (recent("15m"), *matches_variables("city", "kelurahan"))
    )


def _over_time(
    context: DashboardContext, key: str, field_name: str, unit: str, top: float | None, steps: Steps
) -> dashboard.Panel:
    targets = [Target(mean_and_max(AP_AREA_5M, field_name), "$col")]
    return time_series(context, key, targets, unit=unit, styles=_MEAN_AND_MAX, limits=(0, top), steps=steps)


def _rows(context: DashboardContext) -> Sequence[Row]:
    users = [Target(_USERS, "clients")]
    return [
        equal(
            4,
            stat(context, "wifi.down", city_sum("aps_down"), steps=ANY_IS_BAD),
            stat(context, "wifi.total", city_sum("aps"), steps=PLAIN_STEPS),
            stat(context, "wifi.clients", city_sum("clients"), steps=CALM_STEPS),
            stat(context, "wifi.latency_now", _now("latency_ms"), steps=LATENCY_STEPS, unit="ms"),
            stat(context, "wifi.loss_now", _now("loss_pct"), steps=LOSS_STEPS, unit="percent", decimals=1),
            stat(context, "wifi.misuse_count", event_count("ap", _MISUSE, NAMES), steps=ANY_IS_WARN),
        ),
        [(24, [(20, status_history(context, "wifi.history", [Target(_HISTORY, "$tag_device")], level_map(context)))])],
        equal(
            8,
            time_series(context, "wifi.users", users, styles={"clients": ("wifi.series.clients", CALM)}),
            _over_time(context, "wifi.load", "channel_busy_pct", "percent", 100, BUSY_STEPS),
        ),
        equal(
            8,
            _over_time(context, "wifi.latency", "latency_ms", "ms", None, LATENCY_STEPS),
            _over_time(context, "wifi.loss", "loss_pct", "percent", None, LOSS_STEPS),
        ),
        [
            (15, [(10, table(context, "wifi.worst", _WORST, kinds=["ap"], order=["-since", "severity"]))]),
            (9, [(10, table(context, "wifi.misuse", _MISUSE_EVENTS, kinds=["event"], show_time=True))]),
        ],
    ]


WIFI: Final = DashboardSpec("wifi", _rows, NAMES, span="24h", refresh="30s")
