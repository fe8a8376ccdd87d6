"""Variables of boards: city, kelurahan, site, waste kind, and the hidden address of the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from grafana_foundation_sdk.models import dashboard

from grafana.house import House, datasource
from grafana.influxql import Condition, chosen, equals, tag_values
from grafana.measurements import AREA_STATE, DEVICE_STATE

Name = Literal["city", "kelurahan", "site", "camera_site", "waste_kind", "console"]

ALL: Final = "$__all"
ALL_VALUE: Final = ".*"
"""What All stands for in a query: also devices without the tag, which a list of all values would leave out."""


def variables(house: House, names: tuple[Name, ...]) -> list[dashboard.VariableModel]:
    """The variables of a board, in this order."""
    made = [_MAKERS[name](house) for name in (*names, "console")]
    for variable in made:
        # Not of these types; the SDK would write them all the same.
        variable.auto = variable.auto_min = variable.auto_count = variable.allow_custom_value = None
        variable.label = house.t(f"variables.{variable.name}")
        variable.description = house.t(f"about_variables.{variable.name}")
    return made


def _city(house: House) -> dashboard.VariableModel:
    """One city at a time: figures of two cities are not to be added up."""
    found = _asked("city", tag_values(AREA_STATE, "city"))
    found.current = dashboard.VariableOption(text=house.city.id, value=house.city.id)
    return found


def _kelurahan(_house: House) -> dashboard.VariableModel:
    return _several(_asked("kelurahan", tag_values(AREA_STATE, "kelurahan", *chosen("city"))))


def _site(_house: House) -> dashboard.VariableModel:
    return _sites()


def _camera_site(_house: House) -> dashboard.VariableModel:
    return _sites(equals("kind", "camera"))


def _sites(*where: Condition) -> dashboard.VariableModel:
    query = tag_values(DEVICE_STATE, "site", *where, *chosen("city", "kelurahan"))
    return _several(_asked("site", query))


def _waste_kind(house: House) -> dashboard.VariableModel:
    kinds = house.codes("waste_kind")
    made = dashboard.VariableModel(
        type_val=dashboard.VariableType.CUSTOM,
        name="waste_kind",
        query=",".join(f"{shown} : {code}" for code, shown in kinds.items()),
        options=[
            dashboard.VariableOption(text="All", value=ALL, selected=True),
            *(dashboard.VariableOption(text=shown, value=code, selected=False) for code, shown in kinds.items()),
        ],
    )
    return _several(made)


def _console(house: House) -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.CONSTANT,
        name="console",
        query=house.public_url,
        current=dashboard.VariableOption(text=house.public_url, value=house.public_url),
        hide=dashboard.VariableHide.HIDE_VARIABLE,
        skip_url_sync=True,
    )


def _asked(name: str, query: str) -> dashboard.VariableModel:
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


def _several(variable: dashboard.VariableModel) -> dashboard.VariableModel:
    variable.multi, variable.include_all, variable.all_value = True, True, ALL_VALUE
    variable.current = dashboard.VariableOption(text=["All"], value=[ALL])
    return variable


_MAKERS: Final[dict[Name, Callable[[House], dashboard.VariableModel]]] = {
    "city": _city,
    "kelurahan": _kelurahan,
    "site": _site,
    "camera_site": _camera_site,
    "waste_kind": _waste_kind,
    "console": _console,
}
