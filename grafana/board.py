"""A board as its JSON: panels in their places, variables, links to its neighbours and to the console."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from grafana.house import SCHEMA_VERSION, TAG, House
from grafana.layout import Row, place
from grafana.variables import Name, variables
from grafana.words import LANGS

REFRESH_CHOICES: Final = ["5s", "10s", "30s", "1m", "5m", "15m"]


class Board(msgspec.Struct, frozen=True):
    """What a board is, whatever its language. `wall` is for a big screen: nothing to click, nothing to choose."""

    key: str
    rows: Callable[[House], Sequence[Row]]
    names: tuple[Name, ...]
    span: str
    refresh: str
    wall: bool = False

    def uid(self, lang: str) -> str:
        """Its id in Grafana."""
        return f"kota-{self.key}-{lang}"


def build(board: Board, house: House) -> dashboard.Dashboard:
    """The board in the house's language."""
    listed = variables(house, board.names)
    if board.wall:
        for variable in listed:
            variable.hide = dashboard.VariableHide.HIDE_VARIABLE
    made = dashboard.Dashboard(
        uid=board.uid(house.lang),
        title=house.t(f"{board.key}.title"),
        description=house.t(f"{board.key}.about"),
        tags=[TAG, house.lang],
        timezone=str(house.city.time_zone),
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=f"now-{board.span}", to="now"),
        timepicker=dashboard.TimePickerConfig(refresh_intervals=REFRESH_CHOICES, hidden=board.wall),
        week_start="monday",
        refresh=board.refresh,
        schema_version=SCHEMA_VERSION,
        panels=list(place(board.rows(house))),
        templating=dashboard.DashboardDashboardTemplating(list_val=listed),
        links=[] if board.wall else _links(board, house),
    )
    made.editable = not board.wall
    return made


def to_json(made: dashboard.Dashboard) -> str:
    """As it is committed: keys in order, so that a change shows as what changed."""
    return json.dumps(made, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def panel_ids(board: Board, house: House) -> dict[str, int]:
    """Panel title to its id."""
    panels = place(board.rows(house))
    return {panel.title: panel.id_val for panel in panels if panel.title and panel.id_val}


def _links(board: Board, house: House) -> list[dashboard.DashboardLink]:
    other = next(lang for lang in LANGS if lang != house.lang)
    neighbours = dashboard.DashboardLink(
        title=TAG,
        type_val=dashboard.DashboardLinkType.DASHBOARDS,
        tags=[TAG, house.lang],
        as_dropdown=False,
        keep_time=True,
        include_vars=True,
    )
    language = dashboard.DashboardLink(
        title=house.t("common.other_language"),
        type_val=dashboard.DashboardLinkType.LINK,
        icon="dashboard",
        url=f"/d/{board.uid(other)}",
        keep_time=True,
        include_vars=True,
    )
    console = dashboard.DashboardLink(
        title=house.t("common.console"),
        type_val=dashboard.DashboardLinkType.LINK,
        icon="external link",
        url="${console}",
        target_blank=True,
    )
    return [neighbours, console, language]
