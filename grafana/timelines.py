"""Panels of states over time: how long each row was in which state, or its state in each interval."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import statetimeline as timeline_builders
from grafana_foundation_sdk.builders import statushistory as history_builders
from grafana_foundation_sdk.models import common, dashboard

from grafana.house import PLAIN_STEPS, UNKNOWN, House
from grafana.looks import override
from grafana.panels import Named, config_of, defaults_of, finish
from grafana.targets import Ask


def timeline(
    house: House,
    key: str,
    asked: Sequence[Ask],
    mapping: dashboard.ValueMap,
    *,
    every: str = "1m",
    named: Named | None = None,
) -> dashboard.Panel:
    """How long each row was in which state."""
    builder = (
        timeline_builders.Panel()
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.85)
        .fill_opacity(85)
        .line_width(0)
        .legend(common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
    )
    return _states(house, key, builder.build(), asked, mapping, every, named)


def history(house: House, key: str, asked: Sequence[Ask], mapping: dashboard.ValueMap) -> dashboard.Panel:
    """The state of each row in each interval, as boxes."""
    builder = (
        history_builders.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.85)
        .col_width(0.95)
        .fill_opacity(85)
        .line_width(0)
        .legend(common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
    )
    panel = _states(house, key, builder.build(), asked, mapping, "5m", None)
    panel.max_data_points = 100
    return panel


def _states(
    house: House,
    key: str,
    panel: dashboard.Panel,
    asked: Sequence[Ask],
    mapping: dashboard.ValueMap,
    every: str,
    named: Named | None,
) -> dashboard.Panel:
    finish(house, key, panel, asked, "time_series", PLAIN_STEPS)
    defaults = defaults_of(panel)
    defaults.mappings = [mapping]
    # Colours come from the mapping; by limits, numbers would be merged to what limit they are above.
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.FIXED, fixed_color=UNKNOWN)
    panel.interval = every
    if named:
        config_of(panel).overrides = [
            override(name, {"displayName": house.t(word)}) for name, (word, _) in named.items()
        ]
    return panel
