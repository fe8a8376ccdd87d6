"""The committed dashboards: as generated, complete in both languages, for old and new Grafana, without internet."""

from __future__ import annotations

import json
import re
import struct
import zlib
from base64 import b64decode
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import DataqueryConfig, register_dataquery_variant
from grafana_foundation_sdk.models.dashboard import Dashboard

from city.i18n.catalogue import LANGS
from city.inventory.loader import builtin_city, load_city
from grafana.context import DATASOURCE_TYPE, DashboardContext
from grafana.dashboard import build
from grafana.dashboards import DASHBOARDS
from grafana.layout import place
from grafana.maps import blank_tile, extent
from grafana.measurements import MEASUREMENTS
from grafana.panels import legend_panel
from grafana.provision import FOLDER, ProvisioningOptions, files
from grafana.targets import InfluxTarget
from grafana.theme import NO_VALUE, UNKNOWN
from tests.support.grafana import dashboards_of, queries_of

CITY = load_city(builtin_city("kupang"))
COMMITTED = dashboards_of()
PANELS = [(name, panel) for name, dashboard in COMMITTED.items() for panel in dashboard["panels"]]
STANDARD = {"geomap", "table", "stat", "timeseries", "barchart", "state-timeline", "status-history", "text"}
OLDEST_SCHEMA = 38
"""What Grafana 9.4 writes: a newer number would be read by newer ones only."""


def panel_name(value: object) -> str:
    return value if isinstance(value, str) else str(value["title"] or value["type"])  # type: ignore[index]


def test_as_generated() -> None:
    """Every file of the provisioning folder is what `kota grafana build` makes, and there is no other."""
    contents = files(CITY)
    there = {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()}
    assert there == set(contents)
    for name, content in contents.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name}: run `kota grafana build`"


def test_two_languages() -> None:
    """Six dashboards in each language, of the same panels at the same places asking the same."""
    assert len(COMMITTED) == 2 * len(DASHBOARDS) == 12
    for spec in DASHBOARDS:
        first, second = (COMMITTED[f"{lang}/{spec.key}"] for lang in LANGS)
        assert [_bones(panel) for panel in first["panels"]] == [_bones(panel) for panel in second["panels"]]
        assert first["title"] != second["title"]


def _bones(panel: dict[str, Any]) -> tuple[object, ...]:
    # A bar chart's text column is named as it is shown.
    queries = [re.sub(r'AS "(Jam|Hour|Truk|Truck)"', "", t["query"]) for t in panel.get("targets", [])]
    return panel["id"], panel["type"], panel["gridPos"], queries


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=panel_name)
def test_described(name: str, panel: dict[str, Any]) -> None:
    """Every panel has a name and says what it shows and where its data comes from, and what no data means."""
    assert panel["description"]
    if panel["type"] == "text":
        return
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"] or defaults["displayName"]
    assert ("Sumber: " if name.startswith("id/") else "Source: ") in panel["description"]
    assert defaults["noValue"]


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=panel_name)
def test_standard(name: str, panel: dict[str, Any]) -> None:  # noqa: ARG001 - in the test's id
    """Panels are of Grafana's standard build and ask the city's data source in InfluxQL."""
    assert panel["type"] in STANDARD
    for target in panel.get("targets", []):
        assert target["datasource"] == {"type": "influxdb", "uid": "kota-influx"}
        assert target["rawQuery"]
        assert target["resultFormat"] in {"table", "time_series"}


@pytest.mark.parametrize("name", COMMITTED)
def test_no_gaps(name: str) -> None:
    """Panels fill the 24 columns without gap or overlap."""
    covered: set[tuple[int, int]] = set()
    for panel in COMMITTED[name]["panels"]:
        place_ = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place_["x"], place_["x"] + place_["w"])
            for y in range(place_["y"], place_["y"] + place_["h"])
        }
        assert not cells & covered
        covered |= cells
    assert len(covered) == 24 * (max(y for _, y in covered) + 1)


def test_gap_refused() -> None:
    """A row that leaves a gap fails when the dashboard is built."""
    context = DashboardContext("en", CITY)
    with pytest.raises(ValueError, match="row 1 leaves a gap"):
        place([[(12, [(4, legend_panel(context, "dispatch.legend", {}))])]])


@pytest.mark.parametrize("name", COMMITTED)
def test_loads(name: str) -> None:
    """The JSON goes through the SDK's own model of a dashboard and nothing of it is lost; 9.4 knows its schema."""
    plugins.register_default_plugins()
    register_dataquery_variant(DataqueryConfig(DATASOURCE_TYPE, InfluxTarget.from_json))
    dashboard = json.loads(json.dumps(COMMITTED[name]))
    for note in dashboard["annotations"]["list"]:
        # Grafana's InfluxDB reads these from the annotation; the SDK's model has the query in the target.
        assert note.pop("query") == note["target"]["query"]
        assert note.pop("textColumn") == "device"
    _assert_kept(dashboard, json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder)), name)
    assert dashboard["schemaVersion"] == OLDEST_SCHEMA
    assert "apiVersion" not in dashboard


def _assert_kept(ours: Any, theirs: Any, path: str) -> None:
    """Ours is in theirs, which has the SDK's own defaults as well."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            assert key in theirs, f"{path}.{key}"
            _assert_kept(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), path
        for index, (our_item, their_item) in enumerate(zip(ours, theirs, strict=True)):
            _assert_kept(our_item, their_item, f"{path}[{index}]")
    else:
        assert ours == theirs, path


def test_no_internet() -> None:
    """No file names a host of the internet; the ground of maps is in the dashboard itself."""
    for path in FOLDER.rglob("*.*"):
        hosts = set(re.findall(r"https?://([^/:\"\s]+)", path.read_text(encoding="utf-8")))
        assert hosts <= {"localhost"}, path
    maps = [panel for _, panel in PANELS if panel["type"] == "geomap"]
    assert len(maps) == 8
    for panel in maps:
        basemap = panel["options"]["basemap"]
        assert (basemap["type"], basemap["config"]["url"]) == ("xyz", blank_tile())
        assert panel["options"]["layers"][0]["type"] == "geojson"


def test_blank_tile() -> None:
    """The tile is a whole PNG of one transparent pixel."""
    png = b64decode(blank_tile().removeprefix("data:image/png;base64,"))
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    assert png.startswith(b"\x89PNG")
    assert zlib.decompress(png[start + 4 : start + 4 + length]) == b"\0" * 5


def test_city_in_view() -> None:
    """Maps open on the whole city."""
    west, south, east, north = extent(DashboardContext("id", CITY))
    views = [panel["options"]["view"] for _, panel in PANELS if panel["type"] == "geomap"]
    for view in views:
        assert view["id"] == "coords"
        assert west < view["lon"] < east
        assert south < view["lat"] < north
        assert 11 < view["zoom"] < 14


@pytest.mark.parametrize("query", queries_of(), ids=lambda q: f"{q.dashboard}-{q.panel}-{q.ref}")
def test_names_of_the_schema(query: Any) -> None:
    """Every name in every query is a measurement, field or tag that the store writes, or a name the query gives."""
    known = {name for _, name in MEASUREMENTS} | {policy for policy, _ in MEASUREMENTS}
    known |= {name for measurement in MEASUREMENTS.values() for name in measurement.fields | measurement.tags}
    known |= set(re.findall(r'AS "([^"]+)"', query.query))
    assert set(re.findall(r'"([^"]+)"', query.query)) <= known


@pytest.mark.parametrize("name", COMMITTED)
def test_variables(name: str) -> None:
    """Every variable that is used is there and explained; All is everything, also what has no such tag."""
    dashboard = COMMITTED[name]
    listed = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+)(?::regex)?\}", json.dumps(dashboard))) - {"__data"}
    assert used <= set(listed)
    for variable in listed.values():
        assert variable["label"]
        assert variable["description"]
        assert not variable.get("includeAll") or variable["allValue"] == ".*"


@pytest.mark.parametrize("name", [name for name in COMMITTED if not name.endswith("/command")])
def test_links(name: str) -> None:
    """A dashboard links to those of its language with time and choices kept, to the console, and to its twin."""
    neighbours, console, *twins = COMMITTED[name]["links"]
    lang = name.split("/", maxsplit=1)[0]
    assert neighbours["tags"] == ["jaga-kota", lang] == COMMITTED[name]["tags"]
    assert neighbours["keepTime"]
    assert neighbours["includeVars"]
    assert console["url"] == "${console}"
    assert [twin["title"] for twin in twins] == [own for other, own in LANGS.items() if other != lang]
    uids = {dashboard["uid"] for dashboard in COMMITTED.values()}
    assert all(twin["url"].removeprefix("/d/") in uids for twin in twins)


def test_kiosk() -> None:
    """The kiosk dashboard has eight metrics, a map, alarms and its health in large letters, and no links or choices."""
    kiosk = COMMITTED["en/command"]
    stats = [panel for panel in kiosk["panels"] if panel["type"] == "stat"]
    assert len(stats) == 8 + 1 + 5
    sizes = [panel["options"].get("text") for panel in stats]
    # Figures are as large as their tile allows; only the list has a size.
    assert [size["valueSize"] for size in sizes if size] == [34]
    assert kiosk["links"] == []
    assert kiosk["timepicker"]["hidden"]
    assert not kiosk["editable"]
    assert all(variable["hide"] == 2 for variable in kiosk["templating"]["list"])
    assert '"links": [{' not in json.dumps([panel for panel in kiosk["panels"] if panel["type"] != "geomap"])
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in kiosk["panels"]) == 28


def test_local_time() -> None:
    """Dashboards tell time by the city's clock."""
    assert {dashboard["timezone"] for dashboard in COMMITTED.values()} == {"Asia/Makassar"}


def test_choices() -> None:
    """Another address, tiles and receivers reach every place where they are needed."""
    contents = files(
        CITY, ProvisioningOptions("https://kota.example", "https://tiles.example/{z}/{x}/{y}.png", "a@b.example")
    )
    dashboard = json.loads(contents["dashboards/id/dispatch.json"])
    geomap = next(panel for panel in dashboard["panels"] if panel["type"] == "geomap")
    assert geomap["options"]["basemap"]["config"]["url"] == "https://tiles.example/{z}/{x}/{y}.png"
    assert geomap["options"]["layers"][0]["config"]["src"] == "https://kota.example/api/v1/map/places.geojson"
    assert dashboard["templating"]["list"][-1]["query"] == "https://kota.example"
    assert "a@b.example" in contents["alerting/contact-points.yaml"]
    assert "localhost:8080" not in json.dumps(contents)


def test_unknown_word() -> None:
    """A text that is missing fails when the dashboard is built."""
    with pytest.raises(KeyError):
        DashboardContext("id", CITY).t("dispatch.nothing_of_the_kind")


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=panel_name)
def test_no_value_is_grey_and_a_dash(name: str, panel: dict[str, Any]) -> None:  # noqa: ARG001 - in the test's id
    """A value that is missing has the first colour of its steps: grey. Its text is a dash, in cells as well."""
    if panel["type"] == "text":
        return
    defaults = panel["fieldConfig"]["defaults"]
    overrides = [entry for field in panel["fieldConfig"]["overrides"] for entry in field["properties"]]
    steps = [entry["value"]["steps"] for entry in overrides if entry["id"] == "thresholds"]
    bases = [scale[0] for scale in (defaults["thresholds"]["steps"], *steps)]
    assert {(base["value"], base["color"]) for base in bases} <= {(None, UNKNOWN), (None, "transparent")}
    if panel["type"] in {"stat", "table", "geomap"}:
        assert defaults["noValue"] in {NO_VALUE, f"{defaults.get('displayName')} {NO_VALUE}"}


def test_nothing_is_not_an_all_clear() -> None:
    """The list of alarms has a row of ingest besides the alarms, and no text for a list without rows."""
    panel = next(panel for panel in COMMITTED["id/command"]["panels"] if panel["title"] == "Alarm sekarang")
    alarms, answers = (target["query"] for target in panel["targets"])
    assert '"device_state"' in alarms
    assert '"platform"' in answers
    assert panel["fieldConfig"]["defaults"]["noValue"] == NO_VALUE
    assert "Tidak ada alarm" not in json.dumps(COMMITTED, ensure_ascii=False)


def test_the_worst_is_seen_first() -> None:
    """Alarms begin with the most urgent; of markers at the same place the most urgent is drawn last."""
    for name, panel in PANELS:
        if panel["type"] == "geomap":
            assert panel["transformations"][0]["options"]["sort"] == [{"field": "urgency", "desc": False}], name
            assert all(layer["config"]["style"]["opacity"] == 1 for layer in panel["options"]["layers"][1:])
    maps = [panel for _, panel in PANELS if panel["type"] == "geomap" and panel.get("transformations")]
    assert len(maps) == 8
    alarms = next(panel for panel in COMMITTED["id/command"]["panels"] if panel["title"] == "Alarm sekarang")
    assert alarms["transformations"][0]["options"]["sort"] == [{"field": "urgency", "desc": True}]


def test_the_age_of_data_does_not_come_from_ingest() -> None:
    """Tiles of the newest data subtract its time from the present: what ingest says of its lag ends with ingest."""
    for title in ("Data terbaru", "Umur data terbaru"):
        (query,) = [query.query for query in queries_of() if query.panel == title]
        assert query.startswith('SELECT $__to / 1000 - last("newest_at") / 1000')


def test_no_megametres() -> None:
    """Distances are in km, however long."""
    assert "lengthkm" not in json.dumps(COMMITTED)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.key)
def test_unknown_is_grey(dashboard: Any) -> None:
    """A state that is not known never has the colour of a good one."""
    for panel in build(dashboard, DashboardContext("en", CITY)).panels or []:
        found = json.loads(json.dumps(panel, cls=JSONEncoder))
        for unknown in re.findall(r'"(?:silent|unknown|unmeasured|-1)": ({[^}]*})', json.dumps(found)):
            assert "green" not in unknown
