"""Platform: message rate, lag, queue, bad messages, silent devices, store and broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.columns import flag_map
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import Select, call, equals
from grafana.layout import Row, equal
from grafana.panels import SeriesStyles, stat, table, time_series
from grafana.queries import data_age, devices, platform_now, platform_series
from grafana.targets import Target
from grafana.theme import ANY_IS_WARN, BAD, CALM, FLAG_STEPS, GOOD, LAG_STEPS, PLAIN_STEPS, UNKNOWN, WARN, Steps
from grafana.timelines import state_timeline
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city",)
KINDS: Final = ("bin", "truck", "ap", "camera")
POINT_S: Final = 10
"""Seconds between two points of `platform`; its counts cover that time."""

DEAD_SHARE_PCT: Final = 20
"""Share of all messages above which ingest raises its own alarm."""

_FLAGS: Final = ("store_ok", "journal_ok", "connected")
_SILENT: Final = devices(
    KINDS,
    *("device", "kind", "name", "kelurahan", "state", "reason", "heard_at"),
    conditions=(equals("silent", 1),),
)


def _styles(*names_and_colours: tuple[str, str]) -> SeriesStyles:
    return {name: (f"platform.series.{name}", colour) for name, colour in names_and_colours}


def _metrics(context: DashboardContext) -> Row:
    works = flag_map(context)
    return equal(
        4,
        stat(context, "platform.live_lag", data_age(), steps=LAG_STEPS, unit="dthms"),
        stat(context, "platform.depth", platform_now("journal_depth"), steps=PLAIN_STEPS),
        stat(context, "platform.dead_waiting", platform_now("dead_letters_waiting"), steps=ANY_IS_WARN),
        stat(context, "platform.silent", platform_now("devices_silent"), steps=ANY_IS_WARN),
        stat(context, "platform.store", platform_now("store_ok"), steps=FLAG_STEPS, mapping=works),
        stat(context, "platform.connected", platform_now("connected"), steps=FLAG_STEPS, mapping=works),
    )


_RATE: Final = platform_series(
    received=call("mean", "received") / POINT_S,
    stored=call("mean", "stored") / POINT_S,
)
_LAG: Final = platform_series(live_lag_s=call("max", "live_lag_s"), lag_s=call("max", "lag_s"))
_QUEUE: Final = platform_series(
    journal_depth=call("max", "journal_depth"), rollup_waiting=call("max", "rollup_waiting")
)
_DEAD: Final = platform_series(dead_share=call("sum", "dead") * 100 / call("sum", "received"))
_SILENT_OVER_TIME: Final = platform_series(devices_silent=call("last", "devices_silent"))
_WORKS: Final = platform_series(**{name: call("min", name) for name in _FLAGS})
_DEAD_STEPS: Final[Steps] = ((None, UNKNOWN), (0, GOOD), (DEAD_SHARE_PCT, BAD))


def _over_time(
    context: DashboardContext,
    key: str,
    query: Select,
    *colours: tuple[str, str],
    unit: str = "none",
    every: str = "30s",
    steps: Steps = (),
) -> dashboard.Panel:
    return time_series(
        context, key, [Target(query, "$col")], unit=unit, styles=_styles(*colours), every=every, steps=steps
    )


def _rows(context: DashboardContext) -> Sequence[Row]:
    per_s = f"suffix: {context.t('common.per_s')}"
    rate, lag, queue = ("received", CALM), ("live_lag_s", CALM), ("journal_depth", CALM)
    dead, silent = ("dead_share", BAD), ("devices_silent", WARN)
    works = _styles(*((name, GOOD) for name in _FLAGS))
    longest = {"name": 225, "reason": 285}
    silent_devices = table(
        context, "platform.silent_devices", _SILENT, kinds=KINDS, order=["-heard_at"], widths=longest
    )
    return [
        _metrics(context),
        equal(
            9,
            _over_time(context, "platform.rate", _RATE, rate, ("stored", GOOD), unit=per_s),
            _over_time(context, "platform.lag", _LAG, lag, ("lag_s", WARN), unit="dthms", steps=LAG_STEPS),
        ),
        equal(
            9,
            _over_time(context, "platform.queue", _QUEUE, queue, ("rollup_waiting", WARN)),
            _over_time(context, "platform.dead", _DEAD, dead, unit="percent", every="1m", steps=_DEAD_STEPS),
        ),
        equal(
            8,
            _over_time(context, "platform.silent_series", _SILENT_OVER_TIME, silent, every="1m"),
            state_timeline(context, "platform.health", [Target(_WORKS, "$col")], flag_map(context), styles=works),
        ),
        [(24, [(12, silent_devices)])],
    ]


PLATFORM_HEALTH: Final = DashboardSpec("platform", _rows, NAMES, span="6h", refresh="10s")
