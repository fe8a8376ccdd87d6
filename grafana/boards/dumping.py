"""Dumping: cases by site and hour against the permitted hours, with their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from grafana_foundation_sdk.models import dashboard

from grafana.asked import city_sum
from grafana.board import Board
from grafana.house import ANY_IS_BAD, ANY_IS_WARN, BAD, CALM_STEPS, GOOD, GOOD_STEPS, PLAIN_STEPS, House, value_map
from grafana.influxql import IN_RANGE, Column, Select, at_least, call, chosen, differs, field, plain
from grafana.layout import Row, equal
from grafana.looks import override
from grafana.measurements import DUMPING_CASE
from grafana.panels import Named, bar_chart, config_of, leave_out, series, sort_rows, stat, table
from grafana.targets import Ask
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "camera_site")
_WHERE: Final = (IN_RANGE, *chosen("city", "kelurahan", "site"))
_BOTH: Final = (call("sum", "outside").named("outside"), call("sum", "inside").named("inside"))
_NAMED: Final[Named] = {"outside": ("fields.outside", BAD), "inside": ("fields.inside", GOOD)}
_MANY: Final = 2
_SOME_DAY: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - local by intent: which offset the city has then
_NEWEST: Final = 200

_REPEAT: Final = Select(
    plain("site", "kelurahan", "device", "outside", "cases"),
    Select(
        (call("count", "outside").named("cases"), call("sum", "outside").named("outside")),
        DUMPING_CASE,
        _WHERE,
        by=("site", "kelurahan", "device"),
    ),
    (at_least("outside", _MANY),),
)
_MATRIX: Final = Select(
    plain("site", "hour", "outside"),
    Select((call("sum", "outside").named("outside"),), DUMPING_CASE, _WHERE, by=("site", "hour")),
    (at_least("outside", 1),),
)
_CASES: Final = (differs("state", "within_hours"), *_WHERE)
"""What cameras reported, whatever was said of it; waste put out in time is a point as well."""

_EVIDENCE: Final = Select(
    plain("picture", "site_name", "kelurahan", "state", "verdict", "why", "hours", "since", "case", "page"),
    DUMPING_CASE,
    _CASES,
    newest=_NEWEST,
)
_JUDGED: Final = Select(
    plain("device", "site", "cases", "confirmed", "rejected", "waiting"),
    Select(
        (
            call("count", "rejected").named("cases"),
            *(call("sum", verdict).named(verdict) for verdict in ("confirmed", "rejected", "waiting")),
        ),
        DUMPING_CASE,
        _CASES,
        by=("device", "site"),
    ),
)


def _total(name: str) -> Select:
    return Select((call("sum", name).named(name),), DUMPING_CASE, _WHERE)


def _by_hour(hour: str) -> Select:
    """Cases by local hour; the hour's column has the name it is shown by."""
    inner = Select(_BOTH, DUMPING_CASE, _WHERE, by=("hour",))
    return Select((Column(field("hour"), hour), *plain("outside", "inside")), inner)


def _by_day(house: House) -> Select:
    """Cases by local day: InfluxQL's days begin at midnight UTC, so they are moved by the city's offset.

    A server may lack the time zones that InfluxQL's own `tz()` needs.
    """
    offset = house.city.time_zone.utcoffset(_SOME_DAY)
    minutes = -int(offset.total_seconds() // 60) if offset else 0
    return Select(_BOTH, DUMPING_CASE, _WHERE, every=f"1d,{minutes}m", fill="0")


def _matrix(house: House) -> dashboard.Panel:
    """One row per site, one column per hour, coloured where there were cases."""
    panel = table(house, "dumping.matrix", _MATRIX)
    site, hour = "site", "hour"
    corner = f"{site}\\{hour}"
    matrix = {"columnField": hour, "rowField": site, "valueField": "outside"}
    panel.transformations = [
        leave_out("Time"),
        sort_rows(hour),
        dashboard.DataTransformerConfig(id_val="groupingToMatrix", options=matrix),
    ]
    steps = [{"value": None, "color": "transparent"}, {"value": 1, "color": "#e8a29c"}, {"value": 3, "color": BAD}]
    cells = dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byRegexp", options="/^[0-9]{2}$/"),
        properties=[
            dashboard.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"}),
            dashboard.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}),
            dashboard.DynamicConfigValue(id_val="custom.width", value=46),
            dashboard.DynamicConfigValue(id_val="custom.align", value="center"),
        ],
    )
    names = {"displayName": house.t("fields.site"), "mappings": [value_map(house.camera_sites)], "custom.width": 190}
    config_of(panel).overrides = [override(corner, names), cells]
    return panel


def _rows(house: House) -> Sequence[Row]:
    hour = house.t("fields.hour")
    return [
        equal(
            4,
            stat(house, "dumping.waiting", city_sum("cases_waiting"), steps=ANY_IS_WARN),
            stat(house, "dumping.open", city_sum("open_cases"), steps=ANY_IS_BAD),
            stat(house, "dumping.today", city_sum("cases_today"), steps=CALM_STEPS),
            stat(house, "dumping.outside", _total("outside"), steps=ANY_IS_WARN),
        ),
        equal(
            4,
            stat(house, "dumping.confirmed", _total("confirmed"), steps=GOOD_STEPS),
            stat(house, "dumping.rejected", _total("rejected"), steps=ANY_IS_WARN),
            stat(house, "dumping.inside", _total("inside"), steps=PLAIN_STEPS),
        ),
        equal(
            9,
            bar_chart(house, "dumping.by_hour", _by_hour(hour), hour, _NAMED),
            series(house, "dumping.by_day", [Ask(_by_day(house), "$col")], named=_NAMED, every="1d", bars=True),
        ),
        [
            (15, [(10, _matrix(house))]),
            (9, [(10, table(house, "dumping.repeat", _REPEAT, order=["outside"]))]),
        ],
        [(24, [(9, table(house, "dumping.judged", _JUDGED, order=["cases", "rejected"]))])],
        [(24, [(16, table(house, "dumping.evidence", _EVIDENCE, kinds=["case"], show_time=True, tall=True))])],
    ]


DUMPING: Final = Board("dumping", _rows, NAMES, span="30d", refresh="1m")
