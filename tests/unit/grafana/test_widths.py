"""No text of a dashboard is cut on a screen of 1366 or 1920 px: titles, headings and cells in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from PIL import ImageFont

from city.inventory.loader import builtin_city, load_city
from ingest.store.views.device_condition import label_of
from tests.support.grafana import dashboards_of

CITY = load_city(builtin_city("kupang"))
VIEWPORTS_PX = (1366, 1920)
PANELS = [(name, panel) for name, dashboard in dashboards_of().items() for panel in dashboard["panels"]]
TABLES = [(name, panel) for name, panel in PANELS if panel["type"] == "table"]

SIDEBAR_PX, PAGE_PADDING_PX, SCROLLBAR_PX = 48, 32, 8
GAP_PX = 8
PANEL_PADDING_PX = 18
CELL_PADDING_PX = 14
GAUGE_MIN_PX = 80
INTER = 1.08
"""Grafana's font, Inter, is wider than the one of Pillow by less than this factor."""

_FONTS = {size: ImageFont.load_default(size) for size in (14, 22, 26, 34)}
_TIME = "29/11 14:52"
_SAMPLES = {
    "client": ("c0ffee00",),
    "hotspot": tuple(CITY.access_points),
    "hours": ("18:00-06:00",),
    "site_name": tuple(CITY.sites[camera.site].name for camera in CITY.cameras.values()),
}
_DETAILS = {
    "ap": ("Pengguna c0ffee00: 3 GB", "SSID “Kupang-WiFi-Gratis”, -60 dBm"),
    "truck": ("Kode kerusakan P0217, P0562 …", "P0217, P0562"),
}


def text_px(text: str, size: int = 14) -> float:
    """Width of a text in a font size of Grafana."""
    return _FONTS[size].getlength(text) * INTER


def panel_px(panel: dict[str, Any], viewport_px: int) -> float:
    """Width within a panel: the page has 24 columns with gaps, beside a sidebar and a scroll bar."""
    page_px = viewport_px - SIDEBAR_PX - PAGE_PADDING_PX - SCROLLBAR_PX
    column_px = (page_px - 23 * GAP_PX) / 24
    width = panel["gridPos"]["w"]
    return width * column_px + (width - 1) * GAP_PX - PANEL_PADDING_PX


def panel_name(value: object) -> str:
    return value if isinstance(value, str) else str(value["title"])  # type: ignore[index]


def columns_of(panel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The visible columns of a table, with the properties of each."""
    overrides = panel["fieldConfig"]["overrides"]
    fields = {
        entry["matcher"]["options"]: {prop["id"]: prop["value"] for prop in entry["properties"]} for entry in overrides
    }
    steps = [step["options"].get("excludeByName", {}) for step in panel["transformations"]]
    excluded = {name for step in steps for name in step}
    return {name: field for name, field in fields.items() if name not in excluded and "custom.hidden" not in field}


def cells_of(panel: dict[str, Any], name: str, field: dict[str, Any]) -> Iterable[str]:
    """The longest texts that cells of a column can have."""
    query = panel["targets"][0]["query"]
    kinds = set(re.findall(r"\w+", " ".join(re.findall(r'"kind" =~ /\^\(([^)]*)\)', query)))) | set(
        re.findall(r"\"kind\" = '(\w+)'", query)
    )
    kinds |= {kind for kind in ("ap", "truck") if f'"rollup_5m"."{kind}"' in query or f'FROM "{kind}"' in query}
    kinds |= {"camera"} if '"dumping_case"' in query else set()
    unit = field.get("unit", "")
    if unit.startswith("time:"):
        yield _TIME
    elif unit.startswith("suffix:"):
        yield f"1,234.5 {unit.removeprefix('suffix:').strip()}"
    elif name in {"name", "device", "plate"}:
        yield from (
            CITY.trucks[device.id].plate if device.id in CITY.trucks and name != "device" else device.id
            for device in CITY.devices.values()
            if device.KIND in kinds
        )
    elif name == "detail":
        yield from (text for kind in kinds for text in _DETAILS[kind])
    yield from _SAMPLES.get(name, ())
    for mapping in field.get("mappings", []):
        if mapping["type"] == "value":
            yield from (result["text"] for result in mapping["options"].values())


def needed_px(panel: dict[str, Any], name: str, field: dict[str, Any]) -> float:
    """The width that the heading and every cell of a column need."""
    heading = text_px(field["displayName"])
    cell = field.get("custom.cellOptions", {}).get("type")
    widest = (
        GAUGE_MIN_PX if cell == "gauge" else max((text_px(text) for text in cells_of(panel, name, field)), default=0)
    )
    return max(heading, widest) + CELL_PADDING_PX


@pytest.mark.parametrize(("name", "panel"), TABLES, ids=panel_name)
def test_columns_are_wide_enough(name: str, panel: dict[str, Any]) -> None:  # noqa: ARG001 - in the test's id
    """A column with a width has room for its heading and for every text in it."""
    for column, field in columns_of(panel).items():
        if "custom.width" in field and "displayName" in field:
            needed = needed_px(panel, column, field)
            assert needed <= field["custom.width"], f"{column}: {needed:.0f} px"


@pytest.mark.parametrize("viewport_px", VIEWPORTS_PX)
@pytest.mark.parametrize(("name", "panel"), TABLES, ids=panel_name)
def test_tables_fit(name: str, panel: dict[str, Any], viewport_px: int) -> None:  # noqa: ARG001 - in the test's id
    """The columns of a table lie within its panel, also those without a width of their own."""
    columns = columns_of(panel)
    widths = {
        column: field.get("custom.width") or needed_px(panel, column, field)
        for column, field in columns.items()
        if "displayName" in field
    }
    assert sum(widths.values()) <= panel_px(panel, viewport_px), widths


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=panel_name)
def test_titles_fit(name: str, panel: dict[str, Any]) -> None:  # noqa: ARG001 - in the test's id
    """The title of a panel fits at 1366 px."""
    assert text_px(panel["title"]) <= panel_px(panel, VIEWPORTS_PX[0])


@pytest.mark.parametrize("name", ["id/command", "en/command"])
def test_alarms_of_the_kiosk_fit(name: str) -> None:
    """A row of the list of alarms has room for the longest label and its state at 1920 px."""
    panel = next(panel for board, panel in PANELS if board == name and panel["options"].get("text"))
    sizes = panel["options"]["text"]
    states = next(entry for entry in panel["fieldConfig"]["overrides"] if entry["matcher"]["options"] == "state")
    texts = {
        code: result["text"] for prop in states["properties"] for code, result in prop["value"][0]["options"].items()
    }
    state_of = {"bin": ("fire",), "truck": ("broken", "on_route"), "ap": ("down",), "camera": ("blind",)}
    for device in CITY.devices.values():
        label = text_px(label_of(CITY, device), sizes["titleSize"])
        state = max(text_px(texts[state], sizes["valueSize"]) for state in state_of[device.KIND])
        assert label + state + 2 * GAP_PX <= panel_px(panel, 1920), (device.id, texts)


@pytest.mark.parametrize("name", ["id/command", "en/command"])
def test_figures_of_the_kiosk_have_no_size(name: str) -> None:
    """Grafana makes a figure as large as its tile allows, so that none is cut; its name fits in large letters."""
    for board, panel in PANELS:
        if board == name and panel["type"] == "stat" and not panel["options"].get("text"):
            title = panel["fieldConfig"]["defaults"]["displayName"]
            assert text_px(title, 22) <= panel_px(panel, 1920), title
