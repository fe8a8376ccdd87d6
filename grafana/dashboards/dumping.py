"""Dumping: cases by site and hour, inside and outside the permitted hours, with their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.columns import override
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import IN_RANGE, Column, Select, at_least, call, differs, field, matches_variables, plain
from grafana.layout import Row, equal
from grafana.measurements import DUMPING_CASE
from grafana.panels import SeriesStyles, bar_chart, config_of, exclude_columns, sort_rows, stat, table, time_series
from grafana.queries import city_sum
from grafana.targets import Target
from grafana.theme import ANY_IS_BAD, ANY_IS_WARN, BAD, CALM_STEPS, GOOD, GOOD_STEPS, PLAIN_STEPS, value_map
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "camera_site")
_WHERE: Final = (IN_RANGE, *matches_variables("city", "kelurahan", "site"))
_BOTH: Final = (call("sum", "outside").alias("outside"), call("sum", "inside").alias("inside"))
_NAMED: Final[SeriesStyles] = {"outside": ("fields.outside", BAD), "inside": ("fields.inside", GOOD)}
_MANY: Final = 2
_SOME_DAY: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - local by intent: which offset the city has then
_NEWEST: Final = 200

_REPEAT: Final = Select(
    plain("site", "kelurahan", "outside"),
    Select(
        (call("sum", "outside").alias("outside"),),
        DUMPING_CASE,
        _WHERE,
        by=("site", "kelurahan"),
    ),
    (at_least("outside", _MANY),),
)
_MATRIX: Final = Select(
    plain("site", "hour", "outside"),
    # Also where nothing was outside the hours: an hour without a row would be no column.
    Select((call("sum", "outside").alias("outside"),), DUMPING_CASE, _WHERE, by=("site", "hour")),
)
_CASES: Final = (differs("state", "within_hours"), *_WHERE)
"""Cases of any verdict, without waste put out within the permitted hours."""

_EVIDENCE: Final = Select(
    plain("picture", "site_name", "kelurahan", "state", "verdict", "why", "hours", "page"),
    DUMPING_CASE,
    _CASES,
    newest=_NEWEST,
)
_JUDGED: Final = Select(
    plain("device", "site", "confirmed", "rejected", "waiting"),
    Select(
        (*(call("sum", verdict).alias(verdict) for verdict in ("confirmed", "rejected", "waiting")),),
        DUMPING_CASE,
        _CASES,
        by=("device", "site"),
    ),
)


def _total(name: str) -> Select:
    return Select((call("sum", name).alias(name),), DUMPING_CASE, _WHERE)


def _by_hour(hour: str) -> Select:
    """Cases by local hour. The hour's column is named as it is shown."""
    inner = Select(_BOTH, DUMPING_CASE, _WHERE, by=("hour",))
    return Select((Column(field("hour"), hour), *plain("outside", "inside")), inner)


def _by_day(context: DashboardContext) -> Select:
    """Cases by local day. InfluxQL groups days from midnight UTC, so they are shifted by the city's UTC offset.

    InfluxQL's `tz()` needs a time zone database, which a server may lack.
    """
    offset = context.city.time_zone.utcoffset(_SOME_DAY)
    minutes = -int(offset.total_seconds() // 60) if offset else 0
    return Select(_BOTH, DUMPING_CASE, _WHERE, every=f"1d,{minutes}m", fill="0")


def _matrix(context: DashboardContext) -> dashboard.Panel:
    """A matrix of cases: one row per site, one column per hour."""
    panel = table(context, "dumping.matrix", _MATRIX)
    site, hour = "site", "hour"
    corner = f"{site}\\{hour}"
    matrix = {"columnField": hour, "rowField": site, "valueField": "outside"}
    panel.transformations = [
        exclude_columns("Time"),
        sort_rows(hour),
        dashboard.DataTransformerConfig(id_val="groupingToMatrix", options=matrix),
    ]
    steps = [{"value": None, "color": "transparent"}, {"value": 1, "color": "#e8a29c"}, {"value": 3, "color": BAD}]
    cells = dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byRegexp", options="/^[0-9]{2}$/"),
        properties=[
            dashboard.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"}),
            dashboard.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}),
            dashboard.DynamicConfigValue(id_val="custom.width", value=40),
            dashboard.DynamicConfigValue(id_val="custom.align", value="center"),
            dashboard.DynamicConfigValue(id_val="mappings", value=[value_map({"0": " "})]),
        ],
    )
    names = {
        "displayName": context.t("fields.site"),
        "mappings": [value_map(context.camera_sites)],
        "custom.width": 200,
    }
    config_of(panel).overrides = [override(corner, names), cells]
    return panel


def _rows(context: DashboardContext) -> Sequence[Row]:
    hour = context.t("fields.hour")
    return [
        equal(
            4,
            stat(context, "dumping.waiting", city_sum("cases_waiting"), steps=ANY_IS_WARN),
            stat(context, "dumping.open", city_sum("open_cases"), steps=ANY_IS_BAD),
            stat(context, "dumping.today", city_sum("cases_today"), steps=CALM_STEPS),
            stat(context, "dumping.outside", _total("outside"), steps=ANY_IS_WARN),
        ),
        equal(
            4,
            stat(context, "dumping.confirmed", _total("confirmed"), steps=GOOD_STEPS),
            stat(context, "dumping.rejected", _total("rejected"), steps=ANY_IS_WARN),
            stat(context, "dumping.inside", _total("inside"), steps=PLAIN_STEPS),
        ),
        equal(
            9,
            bar_chart(context, "dumping.by_hour", _by_hour(hour), hour, _NAMED),
            time_series(
                context, "dumping.by_day", [Target(_by_day(context), "$col")], styles=_NAMED, every="1d", bars=True
            ),
        ),
        [
            (24, [(10, _matrix(context))]),
        ],
        [
            (11, [(9, table(context, "dumping.repeat", _REPEAT, order=["outside"]))]),
            (13, [(9, table(context, "dumping.judged", _JUDGED, order=["rejected"]))]),
        ],
        [(24, [(16, table(context, "dumping.evidence", _EVIDENCE, kinds=["case"], show_time=True, tall=True))])],
    ]


DUMPING: Final = DashboardSpec("dumping", _rows, NAMES, span="30d", refresh="1m")
