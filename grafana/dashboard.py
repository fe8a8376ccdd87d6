"""The JSON of a dashboard: placed panels, variables, and links to other dashboards and to the console."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from city.i18n.catalogue import LANGS
from grafana.annotations import Annotation, annotation_list
from grafana.context import SCHEMA_VERSION, TAG, DashboardContext
from grafana.layout import Row, place
from grafana.variables import Name, variables

REFRESH_CHOICES: Final = ["5s", "10s", "30s", "1m", "5m", "15m"]


class DashboardSpec(msgspec.Struct, frozen=True):
    """A dashboard without its language. `kiosk`: for a large screen, without links and choices."""

    key: str
    rows: Callable[[DashboardContext], Sequence[Row]]
    names: tuple[Name, ...]
    span: str
    refresh: str
    kiosk: bool = False
    annotations: tuple[Annotation, ...] = ()

    def uid(self, lang: str) -> str:
        """The dashboard's uid in Grafana."""
        return f"kota-{self.key}-{lang}"


def build(spec: DashboardSpec, context: DashboardContext) -> dashboard.Dashboard:
    """The dashboard in the context's language."""
    listed = variables(context, spec.names)
    if spec.kiosk:
        for variable in listed:
            variable.hide = dashboard.VariableHide.HIDE_VARIABLE
    made = dashboard.Dashboard(
        uid=spec.uid(context.lang),
        title=context.t(f"{spec.key}.title"),
        description=context.t(f"{spec.key}.about"),
        tags=[TAG, context.lang],
        timezone=str(context.city.time_zone),
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=f"now-{spec.span}", to="now"),
        timepicker=dashboard.TimePickerConfig(refresh_intervals=REFRESH_CHOICES, hidden=spec.kiosk),
        week_start="monday",
        refresh=spec.refresh,
        schema_version=SCHEMA_VERSION,
        panels=list(place(spec.rows(context))),
        templating=dashboard.DashboardDashboardTemplating(list_val=listed),
        annotations=annotation_list(context, spec.annotations),
        links=[] if spec.kiosk else _links(spec, context),
    )
    made.editable = not spec.kiosk
    return made


def to_json(made: dashboard.Dashboard) -> str:
    """The committed text of a dashboard. Keys are sorted, so that a diff shows only what changed."""
    return json.dumps(made, cls=JSONEncoder, indent=0, sort_keys=True, ensure_ascii=False) + "\n"


def panel_ids(spec: DashboardSpec, context: DashboardContext) -> dict[str, int]:
    """Panel title to panel id."""
    panels = place(spec.rows(context))
    return {panel.title: panel.id_val for panel in panels if panel.title and panel.id_val}


def _links(spec: DashboardSpec, context: DashboardContext) -> list[dashboard.DashboardLink]:
    neighbours = dashboard.DashboardLink(
        title=TAG,
        type_val=dashboard.DashboardLinkType.DASHBOARDS,
        tags=[TAG, context.lang],
        as_dropdown=False,
        keep_time=True,
        include_vars=True,
    )
    others = [
        dashboard.DashboardLink(
            title=name,
            type_val=dashboard.DashboardLinkType.LINK,
            icon="dashboard",
            url=f"/d/{spec.uid(lang)}",
            keep_time=True,
            include_vars=True,
        )
        for lang, name in LANGS.items()
        if lang != context.lang
    ]
    console = dashboard.DashboardLink(
        title=context.t("common.console"),
        type_val=dashboard.DashboardLinkType.LINK,
        icon="external link",
        url="${console}",
        target_blank=True,
    )
    return [neighbours, console, *others]
