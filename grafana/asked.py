"""Queries that several boards ask: how devices stand now, figures of the city now, events, means over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from grafana.influxql import (
    IN_RANGE,
    INTERVAL,
    Condition,
    Select,
    Term,
    at_least,
    call,
    chosen,
    equals,
    mean_5m,
    one_of,
    plain,
    recent,
)
from grafana.measurements import AREA_STATE, DEVICE_STATE, EVENT, PLATFORM, Measurement
from grafana.variables import Name

NOW: Final = recent("15m")
"""The present of devices: each is written at least every five minutes, so one late round is forgiven."""

NOW_FIGURES: Final = recent("5m")
"""The present of figures, which come every minute or more often."""

KNOWN_PLACE: Final = at_least("lat_deg", -90)
"""Devices without a position would stand on the equator."""

_WHERE_TAGS: Final = ("device", "kelurahan", "site")


def devices(
    kinds: Iterable[str],
    *shown: str,
    chosen_by: tuple[Name, ...] = ("city",),
    only: tuple[Condition, ...] = (),
) -> Select:
    """One row per device as it stands now, of these kinds; `only` may ask for `severity` and what is shown."""
    inner = tuple(name for name in shown if name not in (*_WHERE_TAGS, "kind"))
    needed = dict.fromkeys((*inner, *(name for condition in only for name in condition.reads)))
    needed.pop("severity", None)
    of_kinds = one_of("kind", kinds)
    latest = Select(
        (call("last", "severity").named("severity"), *plain(*needed)),
        DEVICE_STATE,
        (of_kinds, NOW, *chosen(*chosen_by)),
        by=(*_WHERE_TAGS, "kind"),
    )
    return Select(plain(*shown), latest, only)


def city_sum(field_name: str, chosen_by: tuple[Name, ...] = ("city", "kelurahan")) -> Select:
    """A figure of the city now: the latest of every kelurahan, summed. A zero is stored, so nothing means no data."""
    latest = Select(
        (call("last", field_name).named(field_name),),
        AREA_STATE,
        (NOW_FIGURES, *chosen(*chosen_by)),
        by=("city", "kelurahan"),
    )
    return Select((call("sum", field_name).named(field_name),), latest)


def platform_now(field_name: str) -> Select:
    """The latest figure of ingest."""
    return Select((call("last", field_name).named(field_name),), PLATFORM, (NOW_FIGURES, *chosen("city")))


def platform_series(**terms: Term) -> Select:
    """Figures of ingest over time, by their names."""
    columns = tuple(term.named(name) for name, term in terms.items())
    return Select(columns, PLATFORM, (IN_RANGE, *chosen("city")), every=INTERVAL, fill="null")


def mean_and_max(measurement: Measurement, field_name: str) -> Select:
    """Mean and highest over time, from five-minute rollups of areas."""
    columns = (mean_5m(field_name).named("mean"), call("max", f"{field_name}_max").named("max"))
    return Select(columns, measurement, (IN_RANGE, *chosen("city", "kelurahan")), every=INTERVAL, fill="null")


def events(
    kind: str, types: Iterable[str], *shown: str, newest: int, chosen_by: tuple[Name, ...] = ("city",)
) -> Select:
    """What was reported, the newest first."""
    where = (equals("kind", kind), one_of("type", types), IN_RANGE, *chosen(*chosen_by))
    return Select(plain(*shown), EVENT, where, newest=newest)


def event_count(kind: str, types: Iterable[str], chosen_by: tuple[Name, ...] = ("city",), *only: Condition) -> Select:
    """How many of these were reported."""
    where = (equals("kind", kind), one_of("type", types), *only, IN_RANGE, *chosen(*chosen_by))
    return Select((call("count", "state").named("count"),), EVENT, where)
