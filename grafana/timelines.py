"""Panels of states over time: state timelines and status histories."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import statetimeline as timeline_builders
from grafana_foundation_sdk.builders import statushistory as history_builders
from grafana_foundation_sdk.models import common, dashboard

from grafana.columns import override
from grafana.context import DashboardContext
from grafana.panels import SeriesStyles, config_of, defaults_of, finish
from grafana.targets import Target
from grafana.theme import PLAIN_STEPS, UNKNOWN


def state_timeline(
    context: DashboardContext,
    key: str,
    targets: Sequence[Target],
    mapping: dashboard.ValueMap,
    *,
    every: str = "1m",
    styles: SeriesStyles | None = None,
) -> dashboard.Panel:
    """A state timeline: consecutive values of a row are merged into one bar per state."""
    builder = (
        timeline_builders.Panel()
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.85)
        .fill_opacity(85)
        .line_width(0)
        .legend(common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
    )
    return _states(context, key, builder.build(), targets, mapping, every, styles)


def status_history(
    context: DashboardContext, key: str, targets: Sequence[Target], mapping: dashboard.ValueMap
) -> dashboard.Panel:
    """A status history: one box per row and interval."""
    builder = (
        history_builders.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.85)
        .col_width(0.95)
        .fill_opacity(85)
        .line_width(0)
        .legend(common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
    )
    panel = _states(context, key, builder.build(), targets, mapping, "5m", None)
    panel.max_data_points = 100
    return panel


def _states(
    context: DashboardContext,
    key: str,
    panel: dashboard.Panel,
    targets: Sequence[Target],
    mapping: dashboard.ValueMap,
    every: str,
    styles: SeriesStyles | None,
) -> dashboard.Panel:
    finish(context, key, panel, targets, "time_series", PLAIN_STEPS)
    defaults = defaults_of(panel)
    defaults.mappings = [mapping]
    # Colours come from the mapping; by limits, numbers would be merged to what limit they are above.
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.FIXED, fixed_color=UNKNOWN)
    panel.interval = every
    if styles:
        config_of(panel).overrides = [
            override(name, {"displayName": context.t(word)}) for name, (word, _) in styles.items()
        ]
    return panel
