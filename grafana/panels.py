"""Panels with the house's defaults: every kind of panel the boards use, of those in the standard build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders import barchart as barchart_builders
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import stat as stat_builders
from grafana_foundation_sdk.builders import table as table_builders
from grafana_foundation_sdk.builders import text as text_builders
from grafana_foundation_sdk.builders import timeseries as series_builders
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.text import TextMode

from grafana.house import CALM_STEPS, PLAIN_STEPS, House, Steps, datasource, thresholds
from grafana.influxql import Select
from grafana.looks import column_overrides, override
from grafana.targets import Ask, ResultFormat, targets
from grafana.words import TEXTS

Overrides = list[dashboard.DashboardFieldConfigSourceOverrides]
Named = Mapping[str, tuple[str, str]]
"""Name of a series in the answer to (text key, colour)."""

ORDER_ONLY: Final = ("severity", "fire")
"""Columns that are asked for to order rows by, and not shown."""

BIG_TITLE_PX: Final = 26
BIG_VALUE_PX: Final = 84
"""Sizes of the wall: letters of 84 px on a 55-inch screen are 5 cm high, readable from three metres and more."""


def stat(
    house: House,
    key: str,
    query: Select,
    *,
    steps: Steps = CALM_STEPS,
    unit: str = "none",
    decimals: int = 0,
    mapping: dashboard.ValueMap | None = None,
    big: bool = False,
) -> dashboard.Panel:
    """One figure; `big` for the wall, where the name stands large beside it."""
    builder = (
        stat_builders.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND if big else common.BigValueColorMode.VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if big:
        sizes = common_builders.VizTextDisplayOptions().title_size(BIG_TITLE_PX).value_size(BIG_VALUE_PX)
        builder.text_mode(common.BigValueTextMode.VALUE_AND_NAME).text(sizes)
    panel = finish(house, key, builder.build(), [Ask(query, house.t(f"{key}.title"))], "time_series", steps)
    defaults = defaults_of(panel)
    defaults.unit, defaults.decimals = unit, decimals
    defaults.mappings = [mapping] if mapping else None
    if big:
        # Above the figure in large letters, not once more in the small ones of a heading.
        panel.title = ""
        defaults.display_name = house.t(f"{key}.title")
    return panel


def big_list(house: House, key: str, query: Select, shown: str, kinds: Sequence[str], limit: int) -> dashboard.Panel:
    """Rows in large letters for the wall: the letters of a table cannot be enlarged.

    The other text columns of the answer are each row's heading, `shown` is its value.
    """
    builder = (
        stat_builders.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .justify_mode(common.BigValueJustifyMode.AUTO)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .orientation(common.VizOrientation.HORIZONTAL)
        .reduce_options(common_builders.ReduceDataOptions().values(True).limit(limit).fields(f"/^{shown}$/"))
        .text(common_builders.VizTextDisplayOptions().title_size(BIG_TITLE_PX).value_size(34))
    )
    panel = finish(house, key, builder.build(), [Ask(query)], "table", PLAIN_STEPS)
    columns = [column.name for column in query.columns]
    # A display name would take the place of the row's heading.
    config_of(panel).overrides = [
        _without(one, "displayName", "links", "custom.width", "custom.cellOptions")
        for one in column_overrides(house, columns, kinds)
    ]
    panel.transformations = [leave_out("Time")]
    return panel


def table(
    house: House,
    key: str,
    query: Select,
    *,
    kinds: Sequence[str] = (),
    order: Sequence[str] = (),
    show_time: bool = False,
    tall: bool = False,
) -> dashboard.Panel:
    """Rows.

    Args:
        house: The board's house.
        key: Of its texts.
        query: Its columns in their order.
        kinds: Those whose states its column `state` has.
        order: Columns by which rows are ordered, the most important last, the largest first unless `-` stands before.
        show_time: Whether the time of the answer says something.
        tall: Rows with pictures.
    """
    columns = [*(["Time"] if show_time else []), *(column.name for column in query.columns)]
    builder = table_builders.Panel().show_header(True).footer(common_builders.TableFooterOptions().show(False))
    builder.cell_height(common.TableCellHeight.LG if tall else common.TableCellHeight.SM)
    panel = finish(house, key, builder.build(), [Ask(query)], "table", PLAIN_STEPS)
    config_of(panel).overrides = column_overrides(house, columns, kinds)
    # By transformations, since a table itself can be ordered by what it shows only, and by one column.
    panel.transformations = [sort_rows(name.removeprefix("-"), largest_first=name[0] != "-") for name in order]
    unseen = [name for name in ORDER_ONLY if name in columns]
    if unseen or not show_time:
        panel.transformations.append(leave_out(*(() if show_time else ("Time",)), *unseen))
    return panel


def series(
    house: House,
    key: str,
    asked: Sequence[Ask],
    *,
    unit: str = "none",
    every: str = "5m",
    named: Named | None = None,
    bars: bool = False,
    limits: tuple[float | None, float | None] = (0, None),
    steps: Steps = (),
) -> dashboard.Panel:
    """Values over time; `named` gives series their words and colours, `steps` draws limits."""
    builder = (
        series_builders.Panel()
        .draw_style(common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE)
        .fill_opacity(70 if bars else 8)
        .line_width(1 if bars else 2)
        .show_points(common.VisibilityMode.NEVER)
        .legend(_legend(named))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    if bars:
        builder.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if steps:
        dashed = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        builder.thresholds_style(dashed)
    panel = finish(house, key, builder.build(), asked, "time_series", steps or PLAIN_STEPS)
    defaults = defaults_of(panel)
    defaults.unit, (defaults.min_val, defaults.max_val) = unit, limits
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.PALETTE_CLASSIC)
    panel.interval = every
    if named:
        config_of(panel).overrides = named_overrides(house, named)
    return panel


def bar_chart(
    house: House, key: str, query: Select, x: str, named: Named, *, unit: str = "none", lying: bool = False
) -> dashboard.Panel:
    """Bars by the text column `x`, in its order.

    It has in the answer the name it is shown by: versions of Grafana differ in which of two names they would seek.
    """
    builder = (
        barchart_builders.Panel()
        .x_field(x)
        .orientation(common.VizOrientation.HORIZONTAL if lying else common.VizOrientation.VERTICAL)
        .stacking(common.StackingMode.NORMAL)
        .show_value(common.VisibilityMode.NEVER)
        .fill_opacity(85)
        .legend(_legend(named if len(named) > 1 else None))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    panel = finish(house, key, builder.build(), [Ask(query)], "table", PLAIN_STEPS)
    defaults = defaults_of(panel)
    defaults.unit, defaults.decimals, defaults.min_val = unit, 0, 0
    config_of(panel).overrides = named_overrides(house, named)
    panel.transformations = [leave_out("Time"), sort_rows(x)]
    return panel


def note(house: House, key: str) -> dashboard.Panel:
    """A text."""
    panel = text_builders.Panel().mode(TextMode.MARKDOWN).content(house.t(f"{key}.content")).build()
    panel.title, panel.description, panel.transparent = "", house.about(key, ()), True
    return panel


def finish(
    house: House,
    key: str,
    panel: dashboard.Panel,
    asked: Sequence[Ask],
    result_format: ResultFormat,
    steps: Steps,
) -> dashboard.Panel:
    """What every panel has: title, description, data source, queries, a text for no data, colours by limits."""
    panel.title = house.t(f"{key}.title")
    panel.description = house.about(key, [ask.query for ask in asked])
    panel.datasource = datasource()
    panel.targets = targets(asked, result_format)
    defaults = defaults_of(panel)
    own = f"{key}.none" in TEXTS
    nothing = "common.nothing" if result_format == "table" else "common.none"
    defaults.no_value = house.t(f"{key}.none" if own else nothing)
    defaults.thresholds = thresholds(steps)
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.THRESHOLDS)
    return panel


def leave_out(*names: str) -> dashboard.DataTransformerConfig:
    """Leave out columns: the time of an answer where it says nothing, and what rows were ordered by."""
    options = {"excludeByName": dict.fromkeys(names, True), "indexByName": {}, "renameByName": {}}
    return dashboard.DataTransformerConfig(id_val="organize", options=options)


def sort_rows(name: str, *, largest_first: bool = False) -> dashboard.DataTransformerConfig:
    """Order rows by a column; InfluxQL orders by time only."""
    options = {"fields": {}, "sort": [{"field": name, "desc": largest_first}]}
    return dashboard.DataTransformerConfig(id_val="sortBy", options=options)


def named_overrides(house: House, named: Named) -> Overrides:
    """Words and colours of series."""
    return [
        override(name, {"displayName": house.t(key), "color": {"mode": "fixed", "fixedColor": colour}})
        for name, (key, colour) in named.items()
    ]


def _legend(named: Named | None) -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().placement(common.LegendPlacement.BOTTOM)
    return legend.display_mode(common.LegendDisplayMode.LIST).show_legend(named is None or len(named) > 0)


def config_of(panel: dashboard.Panel) -> dashboard.FieldConfigSource:
    """The panel's field configuration, made where absent."""
    if panel.field_config is None:
        panel.field_config = dashboard.FieldConfigSource()
    return panel.field_config


def defaults_of(panel: dashboard.Panel) -> dashboard.FieldConfig:
    """What holds for every field of the panel unless an override says otherwise."""
    return config_of(panel).defaults


def _without(
    one: dashboard.DashboardFieldConfigSourceOverrides, *names: str
) -> dashboard.DashboardFieldConfigSourceOverrides:
    one.properties = [entry for entry in one.properties if entry.id_val not in names]
    return one
