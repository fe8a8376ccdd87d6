"""Queries as values: what they say, and that they refuse what the store does not write."""

from __future__ import annotations

import pytest

from grafana.influxql import (
    IN_RANGE,
    INTERVAL,
    QueryError,
    Select,
    at_least,
    call,
    equals,
    matches_variables,
    mean_5m,
    one_of,
    plain,
    recent,
    tag_values,
)
from grafana.measurements import AP_AREA_5M, AREA_STATE, DEVICE_STATE, DUMPING_CASE, MEASUREMENTS

LATEST = Select(
    (call("last", "severity").alias("severity"), *plain("name")),
    DEVICE_STATE,
    (equals("kind", "bin"), recent("15m"), *matches_variables("kelurahan")),
    by=("device",),
)


def test_text() -> None:
    """A query of two levels reads as InfluxQL wants it."""
    query = Select(plain("device", "name"), LATEST, (at_least("severity", 1),))
    assert query.text == (
        'SELECT "device", "name" FROM (SELECT last("severity") AS "severity", "name" FROM "device_state" '
        'WHERE "kind" = \'bin\' AND time > now() - 15m AND "kelurahan" =~ /^${kelurahan:regex}$/ '
        'GROUP BY "device") WHERE "severity" >= 1'
    )


def test_rollups() -> None:
    """A mean of rollups is the sum of sums by the sum of counts, from their retention class."""
    query = Select((mean_5m("loss_pct").alias("mean"),), AP_AREA_5M, (IN_RANGE,), every=INTERVAL, fill="null")
    assert query.text == (
        'SELECT sum("loss_pct_sum") / sum("loss_pct_count") AS "mean" FROM "rollup_5m"."ap_area" '
        "WHERE $timeFilter GROUP BY time($__interval) fill(null)"
    )


def test_newest() -> None:
    """The newest rows come first, so many of them."""
    assert Select(plain("case"), DUMPING_CASE, newest=5).text.endswith("ORDER BY time DESC LIMIT 5")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Select(plain("fil_pct"), DEVICE_STATE),
        lambda: Select(plain("name"), DEVICE_STATE, (equals("sort", "bin"),)),
        lambda: Select(plain("name"), DEVICE_STATE, by=("hour",)),
        lambda: Select(plain("state"), LATEST),
        lambda: Select(plain("name"), LATEST, by=("site",)),
        lambda: tag_values(DUMPING_CASE, "site"),
        lambda: tag_values(AREA_STATE, "device"),
    ],
    ids=["field", "condition", "group", "not selected inside", "not grouped inside", "class", "tag"],
)
def test_refused(make: object) -> None:
    """A name the store does not write fails when the dashboard is built."""
    with pytest.raises(QueryError):
        make()  # type: ignore[operator]


def test_quoted() -> None:
    """Quotes in names and values stay what they are."""
    assert equals("kind", "o'hara\\").text == "\"kind\" = 'o\\'hara\\\\'"
    assert one_of("kind", ("bin", "ap")).text == '"kind" =~ /^(bin|ap)$/'


def test_windows() -> None:
    """A query says which times it is about, for the dashboard's description."""
    assert Select(plain("name"), LATEST).windows == ("15m",)
    assert Select(plain("case"), DUMPING_CASE, (IN_RANGE,)).windows == ("range",)


def test_measurements() -> None:
    """Rollups keep five parts of each number, those of areas no last one."""
    assert {"fill_pct_sum", "fill_pct_last"} <= MEASUREMENTS["rollup_5m", "bin"].fields
    assert "fill_pct_last" not in MEASUREMENTS["rollup_5m", "bin_area"].fields
    assert "fault_codes_sum" not in MEASUREMENTS["rollup_5m", "truck"].fields
