"""Queries shared by dashboards: device states, city metrics, events, and means over time."""

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
    equals,
    matches_variables,
    mean_5m,
    one_of,
    plain,
    recent,
)
from grafana.measurements import AREA_STATE, DEVICE_STATE, EVENT, PLATFORM, Measurement
from grafana.variables import Name

NOW: Final = recent("15m")
"""Time range of current device states. Each is written at least every five minutes; a late write is tolerated."""

NOW_METRICS: Final = recent("5m")
"""Time range of current metrics, which are written at least once a minute."""

NOW_PLATFORM: Final = recent("1m")
"""Time range of the current state of ingest, which is written every ten seconds. It ends soon after ingest does."""

KNOWN_PLACE: Final = at_least("lat_deg", -90)
"""Leaves out devices without a position, which a map would draw at latitude 0."""

_WHERE_TAGS: Final = ("device", "kelurahan", "site")


def devices(
    kinds: Iterable[str],
    *shown: str,
    filter_by: tuple[Name, ...] = ("city",),
    conditions: tuple[Condition, ...] = (),
) -> Select:
    """The current state of devices of some kinds, a row each. `conditions` may read `severity` and `shown` columns."""
    tags = (*_WHERE_TAGS, "kind", *(("label",) if "label" in shown else ()))
    inner = tuple(name for name in shown if name not in tags)
    needed = dict.fromkeys((*inner, *(name for condition in conditions for name in condition.reads)))
    needed.pop("severity", None)
    of_kinds = one_of("kind", kinds)
    latest = Select(
        (call("last", "severity").alias("severity"), *plain(*needed)),
        DEVICE_STATE,
        (of_kinds, NOW, *matches_variables(*filter_by)),
        by=tags,
    )
    return Select(plain(*shown), latest, conditions)


def city_sum(field_name: str, filter_by: tuple[Name, ...] = ("city", "kelurahan")) -> Select:
    """A current city metric: the sum of the last value of every kelurahan. Zeros are stored; no row means no data."""
    latest = Select(
        (call("last", field_name).alias(field_name),),
        AREA_STATE,
        (NOW_METRICS, *matches_variables(*filter_by)),
        by=("city", "kelurahan"),
    )
    return Select((call("sum", field_name).alias(field_name),), latest)


def platform_now(field_name: str) -> Select:
    """The last value of a metric of ingest."""
    return Select((call("last", field_name).alias(field_name),), PLATFORM, (NOW_PLATFORM, *matches_variables("city")))


def data_age() -> Select:
    """Age in seconds of the newest reading at the end of the dashboard's time range.

    It grows when ingest stops, when no device is heard, and when nothing can be stored; the lag that ingest writes of
    itself does not.
    """
    age = Term("$__to / 1000", ()) - call("last", "newest_at") / 1000
    return Select((age.alias("age_s"),), PLATFORM, (IN_RANGE, *matches_variables("city")))


def platform_answers() -> Select:
    """One row while ingest writes: its connection to the broker as `state`, and its name."""
    columns = (call("last", "connected").alias("state"), *plain("service"))
    return Select(columns, PLATFORM, (NOW_PLATFORM, *matches_variables("city")))


def platform_series(**terms: Term) -> Select:
    """Metrics of ingest over time; the keywords name the result columns."""
    columns = tuple(term.alias(name) for name, term in terms.items())
    return Select(columns, PLATFORM, (IN_RANGE, *matches_variables("city")), every=INTERVAL, fill="null")


def mean_and_max(measurement: Measurement, field_name: str) -> Select:
    """Mean and maximum over time, from five-minute rollups of areas."""
    columns = (mean_5m(field_name).alias("mean"), call("max", f"{field_name}_max").alias("max"))
    return Select(
        columns, measurement, (IN_RANGE, *matches_variables("city", "kelurahan")), every=INTERVAL, fill="null"
    )


def events(
    kind: str, types: Iterable[str], *shown: str, newest: int, filter_by: tuple[Name, ...] = ("city",)
) -> Select:
    """The newest events, newest first."""
    where = (equals("kind", kind), one_of("type", types), IN_RANGE, *matches_variables(*filter_by))
    return Select(plain(*shown), EVENT, where, newest=newest)


def event_count(
    kind: str, types: Iterable[str], filter_by: tuple[Name, ...] = ("city",), *conditions: Condition
) -> Select:
    """The number of events."""
    where = (equals("kind", kind), one_of("type", types), *conditions, IN_RANGE, *matches_variables(*filter_by))
    return Select((call("count", "state").alias("count"),), EVENT, where)
