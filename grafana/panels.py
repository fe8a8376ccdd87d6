"""Panels of dashboards, with shared defaults. Only panel types of Grafana's standard build are used."""

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

from grafana.columns import FLAG, column_overrides, override
from grafana.context import DashboardContext, datasource
from grafana.influxql import Select
from grafana.targets import ResultFormat, Target, influx_targets
from grafana.theme import CALM_STEPS, HEX, NO_VALUE, PLAIN_STEPS, Steps, thresholds

Overrides = list[dashboard.DashboardFieldConfigSourceOverrides]
SeriesStyles = Mapping[str, tuple[str, str]]
"""Name of a series in the query's result to (text key, colour)."""

ORDER_ONLY: Final = ("severity", "urgency", "fire")
"""Columns that order rows and are hidden."""

LIST_TITLE_PX: Final = 26
LIST_VALUE_PX: Final = 34
"""Text sizes of the kiosk's list. The figures above it have none: Grafana then makes each as large as its tile allows,
and cuts no text."""


def stat(
    context: DashboardContext,
    key: str,
    query: Select,
    *,
    steps: Steps = CALM_STEPS,
    unit: str = "none",
    decimals: int = 0,
    mapping: dashboard.ValueMap | None = None,
    big: bool = False,
) -> dashboard.Panel:
    """A stat panel of one number. `big`: for kiosk mode, with its name in large letters.

    Without an answer of the query Grafana shows neither the name nor a value, so the text for it has both.
    """
    builder = (
        stat_builders.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND if big else common.BigValueColorMode.VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if big:
        builder.text_mode(common.BigValueTextMode.VALUE_AND_NAME)
    panel = finish(context, key, builder.build(), [Target(query, context.t(f"{key}.title"))], "time_series", steps)
    defaults = defaults_of(panel)
    defaults.unit, defaults.decimals = unit, decimals
    defaults.mappings = [mapping] if mapping else None
    if big:
        # Above the figure in large letters, not once more in the small ones of a heading.
        panel.title = ""
        defaults.display_name = context.t(f"{key}.title")
        defaults.no_value = f"{defaults.display_name} {NO_VALUE}"
    return panel


def stat_list(
    context: DashboardContext,
    key: str,
    queries: Sequence[Select],
    shown: str,
    kinds: Sequence[str],
    limit: int,
) -> dashboard.Panel:
    """A stat panel with one row per result row, for kiosk mode: the text size of a table panel is fixed.

    Args:
        context: Language, city and addresses.
        key: Prefix of its text keys.
        queries: The rows of the first come first, the most urgent at the top. The last has a row whenever data
            comes in, so that an empty panel never says that all is well.
        shown: The column that is a row's value; the other text columns are its heading.
        kinds: Device kinds whose states the column `state` has, besides 1 (works) and 0 (does not).
        limit: Number of rows.
    """
    builder = (
        stat_builders.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .justify_mode(common.BigValueJustifyMode.AUTO)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .orientation(common.VizOrientation.HORIZONTAL)
        .reduce_options(common_builders.ReduceDataOptions().values(True).limit(limit).fields(f"/^{shown}$/"))
        .text(common_builders.VizTextDisplayOptions().title_size(LIST_TITLE_PX).value_size(LIST_VALUE_PX))
    )
    panel = finish(context, key, builder.build(), [Target(query) for query in queries], "table", PLAIN_STEPS)
    columns = list(dict.fromkeys(column.name for query in queries for column in query.columns))
    # A display name would take the place of the row's heading.
    config_of(panel).overrides = [
        _without(field, "displayName", "links", "custom.width", "custom.cellOptions")
        for field in column_overrides(context, columns, [*kinds, FLAG])
    ]
    panel.transformations = [sort_rows("urgency", largest_first=True), exclude_columns("Time", "urgency")]
    return panel


def table(
    context: DashboardContext,
    key: str,
    query: Select,
    *,
    kinds: Sequence[str] = (),
    order: Sequence[str] = (),
    show_time: bool = False,
    tall: bool = False,
    widths: Mapping[str, int] | None = None,
) -> dashboard.Panel:
    """A table panel.

    Args:
        context: Language, city and addresses.
        key: Prefix of its text keys.
        query: Its columns, in their order.
        kinds: Device kinds whose states the column `state` has.
        order: Sort columns, the most important last; descending, or ascending with the prefix `-`.
        show_time: Whether the column `Time` is shown.
        tall: Whether rows are tall enough for pictures.
        widths: Widths of columns in px that differ from those of their styles.
    """
    columns = [*(["Time"] if show_time else []), *(column.name for column in query.columns)]
    builder = table_builders.Panel().show_header(True).footer(common_builders.TableFooterOptions().show(False))
    builder.cell_height(common.TableCellHeight.LG if tall else common.TableCellHeight.SM)
    panel = finish(context, key, builder.build(), [Target(query)], "table", PLAIN_STEPS)
    panel.description = f"{panel.description}\n\n{context.t('common.nothing')}"
    config_of(panel).overrides = column_overrides(context, columns, kinds, widths or {})
    # By transformations, since a table itself can be ordered by what it shows only, and by one column.
    panel.transformations = [sort_rows(name.removeprefix("-"), largest_first=name[0] != "-") for name in order]
    unseen = [name for name in ORDER_ONLY if name in columns]
    if unseen or not show_time:
        panel.transformations.append(exclude_columns(*(() if show_time else ("Time",)), *unseen))
    return panel


def time_series(
    context: DashboardContext,
    key: str,
    targets: Sequence[Target],
    *,
    unit: str = "none",
    every: str = "5m",
    styles: SeriesStyles | None = None,
    bars: bool = False,
    limits: tuple[float | None, float | None] = (0, None),
    steps: Steps = (),
) -> dashboard.Panel:
    """A time series panel. `styles` sets the names and colours of series, `steps` draws thresholds."""
    builder = (
        series_builders.Panel()
        .draw_style(common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE)
        .fill_opacity(70 if bars else 8)
        .line_width(1 if bars else 2)
        .show_points(common.VisibilityMode.NEVER)
        .legend(_legend(styles))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    if bars:
        builder.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    # A dashed line at zero, or below it, would say nothing.
    steps = [step for step in steps if step[0] is None or step[0] > 0]
    if steps:
        dashed = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        builder.thresholds_style(dashed)
    panel = finish(context, key, builder.build(), targets, "time_series", steps or PLAIN_STEPS)
    defaults = defaults_of(panel)
    defaults.unit, (defaults.min_val, defaults.max_val) = unit, limits
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.PALETTE_CLASSIC)
    panel.interval = every
    if styles:
        config_of(panel).overrides = style_overrides(context, styles)
    return panel


def bar_chart(
    context: DashboardContext,
    key: str,
    query: Select,
    x: str,
    styles: SeriesStyles,
    *,
    unit: str = "none",
    horizontal: bool = False,
) -> dashboard.Panel:
    """A bar chart by the text column `x`, in its order.

    The query names the column as it is shown: Grafana versions differ in which of two names they look up.
    """
    builder = (
        barchart_builders.Panel()
        .x_field(x)
        .orientation(common.VizOrientation.HORIZONTAL if horizontal else common.VizOrientation.VERTICAL)
        .stacking(common.StackingMode.NORMAL)
        .show_value(common.VisibilityMode.NEVER)
        .fill_opacity(85)
        .legend(_legend(styles if len(styles) > 1 else None))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    panel = finish(context, key, builder.build(), [Target(query)], "table", PLAIN_STEPS)
    defaults = defaults_of(panel)
    defaults.unit, defaults.decimals, defaults.min_val = unit, 0, 0
    defaults.no_value = context.t("common.none")
    config_of(panel).overrides = style_overrides(context, styles)
    # Old versions take the text "06" for a number, and show it as a series.
    panel.transformations = [exclude_columns("Time"), as_text(x), sort_rows(x)]
    return panel


_ROUNDED: Final = {"circle": "border-radius:50%;", "square": ""}


def legend_panel(
    context: DashboardContext, key: str, groups: Mapping[tuple[str, str], SeriesStyles]
) -> dashboard.Panel:
    """A text panel that says what the colours of a map mean. Its marks need no font of emoji.

    Args:
        context: Language, city and addresses.
        key: Prefix of its text keys.
        groups: Text key and shape (`circle`, `square`, `triangle`) of each kind, to the styles of its states.
    """
    parts = []
    for (title, shape), styles in groups.items():
        marks = [_mark(shape, colour) + context.t(text) for text, colour in styles.values()]
        parts.append(f"<b>{context.t(title)}</b> {' '.join(marks)}")
    content = "<div>" + "&emsp;".join(parts) + "</div>"
    panel = text_builders.Panel().mode(TextMode.HTML).content(content).build()
    panel.title, panel.description, panel.transparent = "", context.description(key, ()), True
    return panel


def _mark(shape: str, colour: str) -> str:
    colour = HEX.get(colour, colour)
    if shape == "triangle":
        return f'<span style="color:{colour};margin:0 4px 0 10px;">▲</span>'
    size = "display:inline-block;width:12px;height:12px;margin:0 4px 0 10px;"
    return f'<span style="{size}{_ROUNDED[shape]}background-color:{colour}">&nbsp;</span>'


def finish(
    context: DashboardContext,
    key: str,
    panel: dashboard.Panel,
    targets: Sequence[Target],
    result_format: ResultFormat,
    steps: Steps,
) -> dashboard.Panel:
    """Set what every panel has: title, description, data source, targets, text for no data, and thresholds."""
    panel.title = context.t(f"{key}.title")
    panel.description = context.description(key, [target.query for target in targets])
    panel.datasource = datasource()
    panel.targets = influx_targets(targets, result_format)
    defaults = defaults_of(panel)
    # It also stands in every empty cell of a table, which a sentence would fill.
    is_chart = result_format == "time_series" and panel.type_val != "stat"
    defaults.no_value = context.t("common.none") if is_chart else NO_VALUE
    defaults.thresholds = thresholds(steps)
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.THRESHOLDS)
    return panel


def exclude_columns(*names: str) -> dashboard.DataTransformerConfig:
    """A transformation that removes columns."""
    options = {"excludeByName": dict.fromkeys(names, True), "indexByName": {}, "renameByName": {}}
    return dashboard.DataTransformerConfig(id_val="organize", options=options)


def as_text(name: str) -> dashboard.DataTransformerConfig:
    """A transformation that makes a column a text column."""
    conversions = [{"targetField": name, "destinationType": "string"}]
    return dashboard.DataTransformerConfig(
        id_val="convertFieldType", options={"fields": {}, "conversions": conversions}
    )


def sort_rows(name: str, *, largest_first: bool = False) -> dashboard.DataTransformerConfig:
    """A transformation that sorts rows by a column; InfluxQL sorts by time only."""
    options = {"fields": {}, "sort": [{"field": name, "desc": largest_first}]}
    return dashboard.DataTransformerConfig(id_val="sortBy", options=options)


def style_overrides(context: DashboardContext, styles: SeriesStyles) -> Overrides:
    """Overrides of names and colours of series."""
    return [
        override(name, {"displayName": context.t(key), "color": {"mode": "fixed", "fixedColor": colour}})
        for name, (key, colour) in styles.items()
    ]


def _legend(styles: SeriesStyles | None) -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().placement(common.LegendPlacement.BOTTOM)
    return legend.display_mode(common.LegendDisplayMode.LIST).show_legend(styles is None or len(styles) > 0)


def config_of(panel: dashboard.Panel) -> dashboard.FieldConfigSource:
    """The panel's field configuration; created if absent."""
    if panel.field_config is None:
        panel.field_config = dashboard.FieldConfigSource()
    return panel.field_config


def defaults_of(panel: dashboard.Panel) -> dashboard.FieldConfig:
    """The panel's field defaults, which overrides replace."""
    return config_of(panel).defaults


def _without(
    field: dashboard.DashboardFieldConfigSourceOverrides, *names: str
) -> dashboard.DashboardFieldConfigSourceOverrides:
    field.properties = [entry for entry in field.properties if entry.id_val not in names]
    return field
