"""Dashboard variables: city, kelurahan, site, waste kind, and the hidden address of the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from grafana_foundation_sdk.models import dashboard

from grafana.context import DashboardContext, datasource
from grafana.influxql import Condition, equals, matches_variables, tag_values
from grafana.measurements import AREA_STATE, DEVICE_STATE

Name = Literal["city", "kelurahan", "site", "camera_site", "waste_kind", "truck", "console"]

ALL: Final = "$__all"
ALL_VALUE: Final = ".*"
"""The value of All. It also matches devices without the tag, which a list of all values would not."""


def variables(context: DashboardContext, names: tuple[Name, ...]) -> list[dashboard.VariableModel]:
    """The variables of a dashboard, in the order of `names`, and the console's address."""
    made = [_MAKERS[name](context) for name in (*names, "console")]
    for variable in made:
        # Not of these types; the SDK would write them all the same.
        variable.auto = variable.auto_min = variable.auto_count = variable.allow_custom_value = None
        variable.label = context.t(f"variables.{variable.name}")
        variable.description = context.t(f"about_variables.{variable.name}")
    return made


def _city(context: DashboardContext) -> dashboard.VariableModel:
    """A choice of one city: metrics of several cities must not be summed."""
    variable = _query_variable("city", tag_values(AREA_STATE, "city"))
    variable.current = dashboard.VariableOption(text=context.city.id, value=context.city.id)
    return variable


def _kelurahan(_context: DashboardContext) -> dashboard.VariableModel:
    return _multi_value(_query_variable("kelurahan", tag_values(AREA_STATE, "kelurahan", *matches_variables("city"))))


def _site(_context: DashboardContext) -> dashboard.VariableModel:
    return _sites()


def _camera_site(_context: DashboardContext) -> dashboard.VariableModel:
    return _sites(equals("kind", "camera"))


def _sites(*where: Condition) -> dashboard.VariableModel:
    query = tag_values(DEVICE_STATE, "site", *where, *matches_variables("city", "kelurahan"))
    return _multi_value(_query_variable("site", query))


def _waste_kind(context: DashboardContext) -> dashboard.VariableModel:
    kinds = context.codes("waste_kind")
    made = dashboard.VariableModel(
        type_val=dashboard.VariableType.CUSTOM,
        name="waste_kind",
        query=",".join(f"{shown} : {code}" for code, shown in kinds.items()),
        options=[
            dashboard.VariableOption(text="All", value=ALL, selected=True),
            *(dashboard.VariableOption(text=shown, value=code, selected=False) for code, shown in kinds.items()),
        ],
    )
    return _multi_value(made)


def _truck(context: DashboardContext) -> dashboard.VariableModel:
    """A choice of one truck, by its plate: the trails of several would be one line."""
    options = [
        dashboard.VariableOption(text=plate, value=truck, selected=not index)
        for index, (truck, plate) in enumerate(context.plates.items())
    ]
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.CUSTOM,
        name="truck",
        query=",".join(f"{plate} : {truck}" for truck, plate in context.plates.items()),
        options=options,
        current=options[0] if options else None,
    )


def _console(context: DashboardContext) -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.CONSTANT,
        name="console",
        query=context.public_url,
        current=dashboard.VariableOption(text=context.public_url, value=context.public_url),
        hide=dashboard.VariableHide.HIDE_VARIABLE,
        skip_url_sync=True,
    )


def _query_variable(name: str, query: str) -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        query=query,
        definition=query,
        datasource=datasource(),
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
        sort=dashboard.VariableSort.ALPHABETICAL_ASC,
        options=[],
        regex="",
    )


def _multi_value(variable: dashboard.VariableModel) -> dashboard.VariableModel:
    variable.multi, variable.include_all, variable.all_value = True, True, ALL_VALUE
    variable.current = dashboard.VariableOption(text=["All"], value=[ALL])
    return variable


_MAKERS: Final[dict[Name, Callable[[DashboardContext], dashboard.VariableModel]]] = {
    "city": _city,
    "kelurahan": _kelurahan,
    "site": _site,
    "camera_site": _camera_site,
    "waste_kind": _waste_kind,
    "truck": _truck,
    "console": _console,
}
