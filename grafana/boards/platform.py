"""Platform: whether data comes in and is stored; rate, lag, queue, bad messages, silent devices, store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.asked import devices, platform_now, platform_series
from grafana.board import Board
from grafana.house import (
    ANY_IS_WARN,
    BAD,
    CALM,
    FLAG_STEPS,
    GOOD,
    LAG_STEPS,
    PLAIN_STEPS,
    WARN,
    House,
    Steps,
)
from grafana.influxql import Select, call, equals
from grafana.layout import Row, equal
from grafana.looks import flag_map
from grafana.panels import Named, series, stat, table
from grafana.targets import Ask
from grafana.timelines import timeline
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city",)
KINDS: Final = ("bin", "truck", "ap", "camera")
POINT_S: Final = 10
"""Seconds between two points of `platform`; its counts are of that time."""

DEAD_SHARE_PCT: Final = 20
"""A fifth of everybody's messages: where ingest raises its own alarm."""

_FLAGS: Final = ("store_ok", "journal_ok", "connected")
_SILENT: Final = devices(
    KINDS,
    *("device", "kind", "name", "kelurahan", "site_name", "state", "reason", "heard_at"),
    only=(equals("silent", 1),),
)


def _named(*names_and_colours: tuple[str, str]) -> Named:
    return {name: (f"platform.series.{name}", colour) for name, colour in names_and_colours}


def _figures(house: House) -> Row:
    works = flag_map(house)
    return equal(
        4,
        stat(house, "platform.live_lag", platform_now("live_lag_s"), steps=LAG_STEPS, unit="dthms"),
        stat(house, "platform.depth", platform_now("journal_depth"), steps=PLAIN_STEPS),
        stat(house, "platform.dead_waiting", platform_now("dead_letters_waiting"), steps=ANY_IS_WARN),
        stat(house, "platform.silent", platform_now("devices_silent"), steps=ANY_IS_WARN),
        stat(house, "platform.store", platform_now("store_ok"), steps=FLAG_STEPS, mapping=works),
        stat(house, "platform.connected", platform_now("connected"), steps=FLAG_STEPS, mapping=works),
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
_DEAD_STEPS: Final[Steps] = ((None, GOOD), (DEAD_SHARE_PCT, BAD))


def _over_time(
    house: House,
    key: str,
    query: Select,
    *colours: tuple[str, str],
    unit: str = "none",
    every: str = "10s",
    steps: Steps = (),
) -> dashboard.Panel:
    return series(house, key, [Ask(query, "$col")], unit=unit, named=_named(*colours), every=every, steps=steps)


def _rows(house: House) -> Sequence[Row]:
    per_s = f"suffix: {house.t('common.per_s')}"
    rate, lag, queue = ("received", CALM), ("live_lag_s", CALM), ("journal_depth", CALM)
    dead, silent = ("dead_share", BAD), ("devices_silent", WARN)
    works = _named(*((name, GOOD) for name in _FLAGS))
    return [
        _figures(house),
        equal(
            9,
            _over_time(house, "platform.rate", _RATE, rate, ("stored", GOOD), unit=per_s),
            _over_time(house, "platform.lag", _LAG, lag, ("lag_s", WARN), unit="dthms", steps=LAG_STEPS),
        ),
        equal(
            9,
            _over_time(house, "platform.queue", _QUEUE, queue, ("rollup_waiting", WARN)),
            _over_time(house, "platform.dead", _DEAD, dead, unit="percent", every="1m", steps=_DEAD_STEPS),
        ),
        equal(
            8,
            _over_time(house, "platform.silent_series", _SILENT_OVER_TIME, silent, every="1m"),
            timeline(house, "platform.health", [Ask(_WORKS, "$col")], flag_map(house), named=works),
        ),
        [(24, [(12, table(house, "platform.silent_devices", _SILENT, kinds=KINDS, order=["-heard_at"]))])],
    ]


PLATFORM_HEALTH: Final = Board("platform", _rows, NAMES, span="6h", refresh="10s")
