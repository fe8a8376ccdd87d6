"""Wi-Fi: availability, users, channel load, latency and loss of hotspots, and signs of misuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.annotations import Annotation
from grafana.columns import STATE_COLOURS, level_map
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import (
    IN_RANGE,
    INTERVAL,
    Select,
    at_least,
    call,
    equals,
    matches_variables,
    mean_5m,
    plain,
    recent,
)
from grafana.layout import Row, equal
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.measurements import AP_5M, AP_AREA_5M, CLIENT_STATE, DEVICE_STATE, STATUS, TOP_CLIENT
from grafana.panels import SeriesStyles, legend_panel, stat, table, time_series
from grafana.queries import KNOWN_PLACE, city_sum, devices, event_count, events, mean_and_max
from grafana.targets import Target
from grafana.theme import (
    ANY_IS_BAD,
    ANY_IS_WARN,
    BAD,
    BUSY_STEPS,
    CALM,
    CALM_STEPS,
    GOOD,
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
_NAME_PX: Final = 225
"""Width of the longest name of a hotspot."""
_RATES: Final[SeriesStyles] = {"tx_kbps": ("wifi.series.tx", CALM), "rx_kbps": ("wifi.series.rx", GOOD)}
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
    *("device", "name", "state", "reason", "since"),
    *("clients", "latency_ms", "loss_pct", "channel_busy_pct", "severity"),
    filter_by=NAMES,
    conditions=(at_least("severity", 1),),
)


_MISUSE_EVENTS: Final = events("ap", _MISUSE, "device", "type", "detail", newest=_NEWEST, filter_by=NAMES)


_ON_MAP: Final = Markers(
    "ap",
    devices(
        ("ap",),
        *("name", "device", "kelurahan", "state", "clients", "reason", "since", "urgency", LATITUDE, LONGITUDE),
        filter_by=NAMES,
        conditions=(KNOWN_PLACE,),
    ),
    size_px=8,
)
_LEGEND: Final[dict[tuple[str, str], SeriesStyles]] = {
    ("kinds.ap", "square"): {
        state: (f"states.ap.{state}", STATE_COLOURS["ap"][state]) for state in ("up", "crowded", "down", "unknown")
    }
}


def _traffic() -> Select:
    """Received and sent by all chosen hotspots: the sum of the mean rate of each."""
    rates = ("tx_kbps", "rx_kbps")
    inner = Select(
        tuple(mean_5m(name).alias(name) for name in rates),
        AP_5M,
        (IN_RANGE, *matches_variables(*NAMES)),
        by=("device",),
        every=INTERVAL,
        fill="none",
    )
    columns = tuple(call("sum", name).alias(name) for name in rates)
    return Select(columns, inner, (IN_RANGE,), every=INTERVAL, fill="null")


_PER_HOTSPOT_FIELDS: Final = ("tx_kbps", "rx_kbps", "clients", "channel_busy_pct", "cpu_pct")
_PER_HOTSPOT: Final = Select(
    plain("device", *_PER_HOTSPOT_FIELDS),
    # Means only: of a selector beside them, InfluxDB 2.7 answers rows without a value.
    Select(
        tuple(mean_5m(name).alias(name) for name in _PER_HOTSPOT_FIELDS),
        AP_5M,
        (IN_RANGE, *matches_variables(*NAMES)),
        by=("device",),
    ),
)


_TOP_CLIENTS: Final = Select(
    plain("client", "bytes", "hotspot"),
    Select(
        (call("last", "bytes").alias("bytes"), *plain("client", "hotspot")),
        TOP_CLIENT,
        (recent("15m"), *matches_variables("city")),
        by=("rank",),
    ),
)


def _clients_by(grouping: str) -> Select:
    """Users by network name or radio: the mean of each kelurahan, summed."""
    inner = Select(
        (call("mean", "clients").alias("clients"),),
        CLIENT_STATE,
        (equals("grouping", grouping), IN_RANGE, *matches_variables("city", "kelurahan")),
        by=("kelurahan", "name"),
        every=INTERVAL,
        fill="none",
    )
    columns = (call("sum", "clients").alias("clients"),)
    return Select(columns, inner, (IN_RANGE,), by=("name",), every=INTERVAL, fill="null")


def _now(field_name: str) -> Select:
    return Select(
        (mean_5m(field_name).alias(field_name),), AP_AREA_5M, (recent("15m"), *matches_variables("city", "kelurahan"))
    )


def _over_time(
    context: DashboardContext, key: str, field_name: str, unit: str, top: float | None, steps: Steps
) -> dashboard.Panel:
    targets = [Target(mean_and_max(AP_AREA_5M, field_name), "$col")]
    return time_series(context, key, targets, unit=unit, styles=_MEAN_AND_MAX, limits=(0, top), steps=steps)


def _split(context: DashboardContext, key: str, grouping: str) -> dashboard.Panel:
    return time_series(context, key, [Target(_clients_by(grouping), "$tag_name")], bars=True)


def _rows(context: DashboardContext) -> Sequence[Row]:
    users = [Target(_USERS, "clients")]
    wide = {"name": _NAME_PX, "reason": 285}
    wide_device = {"device": _NAME_PX}
    misuse_px = {**wide_device, "type": 156}
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
        [
            (12, [(14, city_map(context, "wifi.map", [_ON_MAP])), (2, legend_panel(context, "wifi.legend", _LEGEND))]),
            (
                12,
                [
                    (8, _split(context, "wifi.by_ssid", "ssid")),
                    (8, _split(context, "wifi.by_radio", "radio")),
                ],
            ),
        ],
        equal(
            8,
            time_series(context, "wifi.traffic", [Target(_traffic(), "$col")], unit="Kbits", styles=_RATES),
            _over_time(context, "wifi.cpu", "cpu_pct", "percent", 100, BUSY_STEPS),
        ),
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
        [(24, [(10, table(context, "wifi.worst", _WORST, kinds=["ap"], order=["-since", "severity"], widths=wide))])],
        [
            (
                15,
                [
                    (
                        10,
                        table(context, "wifi.misuse", _MISUSE_EVENTS, kinds=["ap"], show_time=True, widths=misuse_px),
                    )
                ],
            ),
            (9, [(10, table(context, "wifi.top_clients", _TOP_CLIENTS, order=["bytes"], widths={"bytes": 130}))]),
        ],
        [(24, [(11, table(context, "wifi.per_hotspot", _PER_HOTSPOT, order=["tx_kbps"], widths=wide_device))])],
    ]


WIFI: Final = DashboardSpec(
    "wifi",
    _rows,
    NAMES,
    span="24h",
    refresh="30s",
    annotations=(
        Annotation("misuse", "ap", _MISUSE, WARN),
        Annotation("reboot", "ap", ("reboot",), CALM, shown=False),
        Annotation("outage", "ap", (), BAD, state="offline", shown=False, measurement=STATUS),
    ),
)
