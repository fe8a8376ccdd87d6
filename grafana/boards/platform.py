"""Platform: whether data comes in and is stored; rate, lag, queue, bad messages, silent devices, store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
)
from grafana.influxql import call, equals
from grafana.layout import Row, equal
from grafana.looks import flag_map
from grafana.panels import Named, series, stat, table, timeline
from grafana.targets import Ask
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


def _rows(house: House) -> Sequence[Row]:
    rate = platform_series(
        received=call("mean", "received") / POINT_S,
        stored=call("mean", "stored") / POINT_S,
    )
    lag = platform_series(live_lag_s=call("max", "live_lag_s"), lag_s=call("max", "lag_s"))
    queue = platform_series(
        journal_depth=call("max", "journal_depth"),
        rollup_waiting=call("max", "rollup_waiting"),
    )
    dead = platform_series(dead_share=call("sum", "dead") * 100 / call("sum", "received"))
    silent = platform_series(devices_silent=call("last", "devices_silent"))
    flags = platform_series(**{name: call("min", name) for name in _FLAGS})
    per_s = f"suffix: {house.t('common.per_s')}"
    return [
        _figures(house),
        equal(
            9,
            series(
                house,
                "platform.rate",
                [Ask(rate, "$col")],
                unit=per_s,
                named=_named(("received", CALM), ("stored", GOOD)),
                every="10s",
            ),
            series(
                house,
                "platform.lag",
                [Ask(lag, "$col")],
                unit="dthms",
                named=_named(("live_lag_s", CALM), ("lag_s", WARN)),
                every="10s",
                steps=LAG_STEPS,
            ),
        ),
        equal(
            9,
            series(
                house,
                "platform.queue",
                [Ask(queue, "$col")],
                named=_named(("journal_depth", CALM), ("rollup_waiting", WARN)),
                every="10s",
            ),
            series(
                house,
                "platform.dead",
                [Ask(dead, "$col")],
                unit="percent",
                named=_named(("dead_share", BAD)),
                every="1m",
                steps=((None, GOOD), (DEAD_SHARE_PCT, BAD)),
            ),
        ),
        equal(
            8,
            series(
                house,
                "platform.silent_series",
                [Ask(silent, "$col")],
                named=_named(("devices_silent", WARN)),
                every="1m",
            ),
            timeline(
                house,
                "platform.health",
                [Ask(flags, "$col")],
                flag_map(house),
                named=_named(*((name, GOOD) for name in _FLAGS)),
            ),
        ),
        [(24, [(12, table(house, "platform.silent_devices", _SILENT, kinds=KINDS, sort=("heard_at", False)))])],
    ]


PLATFORM_HEALTH: Final = Board("platform", _rows, NAMES, span="6h", refresh="10s")
