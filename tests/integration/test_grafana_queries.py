"""Every query of the committed dashboards, variables and alert rules on real servers, filled by the simulated city."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.store.influx.http import InfluxHttp, Series
from tests.support.filled import filled_influx
from tests.support.grafana import (
    DashboardQuery,
    dashboards_of,
    defaults_of,
    interval_of,
    queries_of,
    rules_of,
    span_s,
    substitute,
)
from tests.support.influx import SERVERS, RunningInflux

DASHBOARDS = dashboards_of()
QUERIES = queries_of()
PANELS = [
    (name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"] if panel.get("targets")
]
ALERT_WINDOW_S = 900.0
ZONE = ZoneInfo("Asia/Makassar")
OF_TODAY = timedelta(minutes=70)
AHEAD = timedelta(minutes=30)
"""The city is filled so far beyond the present: panels ask for the last five minutes, also on a slow machine."""


def panel_name(value: object) -> str:
    return value if isinstance(value, str) else str(value["title"])  # type: ignore[index]


# A day of the city is filled once for all of these, which takes minutes on a busy machine.
pytestmark = [pytest.mark.xdist_group("dashboards"), pytest.mark.timeout(900)]


def end_of_filling(now: datetime) -> datetime:
    """`AHEAD` of the present, and long enough after local midnight for what happens in the last hour to be of today."""
    end = (now + AHEAD).astimezone(ZONE)
    return max(end, end.replace(hour=0, minute=0, second=0, microsecond=0) + OF_TODAY).astimezone(UTC)


def test_the_last_hour_that_is_filled_is_of_one_day() -> None:
    for minutes in range(0, 24 * 60, 7):
        now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        end = end_of_filling(now)
        assert AHEAD <= end - now <= AHEAD + OF_TODAY
        assert (end - timedelta(hours=1)).astimezone(ZONE).date() == end.astimezone(ZONE).date()


class Filled:
    """A filled database and the answers it has given: two languages ask the same."""

    def __init__(self, http: InfluxHttp, now: datetime) -> None:
        self._http = http
        self._now = now
        self._answers: dict[str, list[Series]] = {}

    def ask(self, query: DashboardQuery, **chosen: str | list[str]) -> list[Series]:
        """The answer to a query as its dashboard opens, or with other choices of its variables."""
        dashboard = DASHBOARDS.get(query.dashboard)
        span = span_s(dashboard) if dashboard else ALERT_WINDOW_S
        variables = {**(defaults_of(dashboard) if dashboard else {}), **chosen}
        start = self._now - timedelta(seconds=span)
        text = substitute(query.query, start, self._now, interval_of(span, query), variables)
        if text not in self._answers:
            self._answers[text] = self._http.query(text)
        return self._answers[text]


@pytest.fixture(scope="module", params=list(SERVERS))
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A server of each version with a day of the city."""
    server: RunningInflux = request.getfixturevalue(request.param.replace("-", "_"))
    address = server.database("dashboards")
    now = end_of_filling(datetime.now(UTC))
    filled_influx(address, tmp_path_factory.mktemp("filled"), until=now)
    http = InfluxHttp(address)
    yield Filled(http, now)
    http.close()


def named(query: DashboardQuery) -> str:
    return f"{query.dashboard}-{query.panel}-{query.ref}"


def of_panel(name: str, panel: dict[str, Any]) -> list[DashboardQuery]:
    return [q for q in QUERIES if q.dashboard == name and q.query in {target["query"] for target in panel["targets"]}]


@pytest.mark.parametrize("query", QUERIES, ids=named)
def test_answered(filled: Filled, query: DashboardQuery) -> None:
    """Every query is understood and has an answer with a value in it."""
    series = filled.ask(query)
    assert any(value is not None for group in series for row in group.values for value in row[1:]), query.query


@pytest.mark.parametrize("query", [q for q in QUERIES if q.kind == "table"], ids=named)
def test_one_table(filled: Filled, query: DashboardQuery) -> None:
    """A table is one series without tags, which every version of Grafana shows as one table."""
    series = filled.ask(query)
    assert len(series) == 1
    assert not series[0].tags


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=panel_name)
def test_columns(filled: Filled, name: str, panel: dict[str, Any]) -> None:
    """Columns that overrides, transformations, maps and links name are in the answer."""
    seen: set[str] = set()
    for query in of_panel(name, panel):
        for series in filled.ask(query):
            columns = {"Time", *series.columns[1:]}
            seen |= columns if query.kind == "table" else {_alias(panel, query, series, column) for column in columns}
    asked_for = _columns_named(panel)
    if any("$tag_" in target["alias"] for target in panel["targets"]):
        # Series are there for what has happened, words for all that can.
        assert not asked_for or asked_for & seen
    else:
        assert asked_for <= seen, asked_for - seen


def _alias(panel: dict[str, Any], query: DashboardQuery, series: Series, column: str) -> str:
    """What a series of a chart is called."""
    target = next(target for target in panel["targets"] if target["query"] == query.query)
    alias: str = target["alias"].replace("$col", column)
    for tag, value in series.tags.items():
        alias = alias.replace(f"$tag_{tag}", value)
    return alias


def _columns_named(panel: dict[str, Any]) -> set[str]:
    matchers = [entry["matcher"] for entry in panel["fieldConfig"]["overrides"]]
    named = {matcher["options"] for matcher in matchers if matcher["id"] == "byName"}
    for step in panel.get("transformations", []):
        options = step["options"]
        named |= set(options.get("excludeByName", {})) | {rule["field"] for rule in options.get("sort", [])}
        matrix = {options[key] for key in ("columnField", "rowField", "valueField") if key in options}
        # A matrix makes a column of its own, whose name is put together from the two.
        named = (named | matrix) - ({f"{options['rowField']}\\{options['columnField']}"} if matrix else set())
    for layer in panel["options"].get("layers", []):
        location = layer.get("location", {})
        named |= {location[key] for key in ("latitude", "longitude") if key in location}
        style = layer["config"].get("style", {})
        named |= {style[key]["field"] for key in ("color", "text") if "field" in style.get(key, {})}
    if x_field := panel["options"].get("xField"):
        named.add(x_field)
    for entry in panel["fieldConfig"]["overrides"]:
        for link in (link for p in entry["properties"] if p["id"] == "links" for link in p["value"]):
            named |= {part.split("}")[0] for part in link["url"].split("${__data.fields.")[1:]}
    return named


DETAILS = [(name, panel) for name, panel in PANELS if any('"detail"' in target["query"] for target in panel["targets"])]


@pytest.mark.parametrize(("name", "panel"), DETAILS, ids=panel_name)
def test_details_are_words(filled: Filled, name: str, panel: dict[str, Any]) -> None:
    """The mappings of a panel turn every detail of an event into words, without brackets and quotes of JSON."""
    overrides = panel["fieldConfig"]["overrides"]
    (field,) = (entry for entry in overrides if entry["matcher"]["options"] == "detail")
    (mappings,) = (entry["value"] for entry in field["properties"] if entry["id"] == "mappings")
    patterns = [(mapping["options"]["pattern"], mapping["options"]["result"]["text"]) for mapping in mappings]
    (query,) = of_panel(name, panel)
    details = {row["detail"] for series in filled.ask(query) for row in series.rows() if row["detail"]}
    for detail in details:
        text = next(
            (
                re.sub(pattern[1:-1], re.sub(r"\$(\d)", r"\\\1", shown), detail)
                for pattern, shown in patterns
                if re.search(pattern[1:-1], detail)
            ),
            detail,
        )
        assert not re.search(r'[{}\[\]"$]', text), (detail, text)
        # Of the code of a user, up to 32 characters, the beginning is shown.
        assert not re.search(r"[0-9a-f]{9}", text), (detail, text)


OF_DEVICES = [q for q in QUERIES if '"device_state"' in q.query and q.kind == "table"]


@pytest.mark.parametrize("query", OF_DEVICES, ids=named)
def test_one_row_per_device(filled: Filled, query: DashboardQuery) -> None:
    """A table of devices has each once, at its latest."""
    (series,) = filled.ask(query)
    names = [row.get("name", row.get("label")) for row in series.rows()]
    assert len(names) == len(set(names))


SPARSE = {"trip_since", "trip_km", "why", "detail"}
"""Columns that most rows may lack: a parked truck has no trip, a good verdict no reason."""


@pytest.mark.parametrize("query", [q for q in QUERIES if q.kind != "variable"], ids=named)
def test_columns_are_filled(filled: Filled, query: DashboardQuery) -> None:
    """No column is null in most of its rows; a subquery that a server answers wrongly has such rows."""
    for series in filled.ask(query):
        if query.kind == "time_series" and "fill(null)" in query.query:
            continue
        for name in set(series.columns) - SPARSE:
            # What a hotspot measures is not known while it is down.
            values = [row[name] for row in series.rows() if row.get("state") not in {"down", "silent", "unknown"}]
            assert values.count(None) * 2 <= len(values), (name, values[:5])


@pytest.mark.parametrize("query", [q for q in QUERIES if q.kind == "table"], ids=named)
def test_one_row_per_group(filled: Filled, query: DashboardQuery) -> None:
    """A table of groups has one row for each: as many as the inner query has series."""
    inner = re.search(r"\((SELECT .* GROUP BY [^()]*)\)(?: WHERE |$)", query.query)
    if inner is None or " WHERE " in query.query[inner.end(1) :]:
        return
    (series,) = filled.ask(query)
    groups = filled.ask(query._replace(query=inner[1]))
    assert len(series.values) == len(groups)


@pytest.mark.parametrize("query", [q for q in QUERIES if '"lat_deg"' in q.query], ids=named)
def test_places(filled: Filled, query: DashboardQuery) -> None:
    """Every marker of a map has a place near the city."""
    (series,) = filled.ask(query)
    assert all(-10.4 < row["lat_deg"] < -10.0 and 123.4 < row["lon_deg"] < 123.8 for row in series.rows())


def test_kelurahan_chosen(filled: Filled) -> None:
    """Two chosen kelurahan leave the devices of these two."""
    query = next(q for q in QUERIES if q.dashboard == "en/dispatch" and '"fill_pct"' in q.query and q.kind == "table")
    (series,) = filled.ask(query, kelurahan=["oesapa", "liliba"])
    assert {row["kelurahan"] for row in series.rows()} == {"oesapa", "liliba"}


def test_hostile_choice(filled: Filled) -> None:
    """What somebody types as a choice is a text to seek, and no part of the query."""
    query = next(q for q in QUERIES if q.dashboard == "en/dispatch" and '"fill_pct"' in q.query and q.kind == "table")
    assert filled.ask(query, kelurahan='x$/ OR time > 0 OR "city" =~ /.*') == []


@pytest.mark.parametrize("rule", rules_of(), ids=lambda rule: str(rule["uid"]))
def test_instances(filled: Filled, rule: dict[str, Any]) -> None:
    """A rule has an instance for each device, place or service: series with tags, one number each."""
    query = next(q for q in QUERIES if q.kind == "alert" and q.panel == rule["title"])
    series = filled.ask(query)
    assert all(group.tags and len(group.columns) == 2 for group in series)
    assert all(isinstance(row[1], int | float) for group in series for row in group.values)
    assert len({tuple(group.tags.items()) for group in series}) == len(series)
    if '"alarm_flag"' in query.query:
        nobody = [group for group in series if not group.tags["device"]]
        assert [group.values[-1][1] for group in nobody] == [0]
        assert len(series) < MANY_INSTANCES


MANY_INSTANCES = 300
"""Of 633 devices with up to three flags."""
