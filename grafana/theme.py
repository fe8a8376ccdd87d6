"""Colours and limits of every dashboard, as Grafana's thresholds and value mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from ingest.store.views.device_condition import BUSY_PCT, FILLING_PCT, FULL_PCT, LOSSY_PCT, SLOW_MS

LAG_ALARM_S: Final = 120
"""Above this lag the data is too old to dispatch by."""

GOOD: Final = "semi-dark-green"
WARN: Final = "semi-dark-orange"
BAD: Final = "semi-dark-red"
CALM: Final = "semi-dark-blue"
UNKNOWN: Final = "#8a949e"
PLAIN: Final = "text"

Steps = Sequence[tuple[float | None, str]]
"""Threshold steps: (lower bound, colour); the first bound is None."""

CALM_STEPS: Final[Steps] = ((None, CALM),)
PLAIN_STEPS: Final[Steps] = ((None, PLAIN),)
GOOD_STEPS: Final[Steps] = ((None, UNKNOWN), (1, GOOD))
ANY_IS_BAD: Final[Steps] = ((None, GOOD), (1, BAD))
ANY_IS_WARN: Final[Steps] = ((None, GOOD), (1, WARN))
FLAG_STEPS: Final[Steps] = ((None, BAD), (1, GOOD))
FILL_STEPS: Final[Steps] = ((None, GOOD), (FILLING_PCT, WARN), (FULL_PCT, BAD))
FUEL_STEPS: Final[Steps] = ((None, BAD), (15, WARN), (30, GOOD))
BUSY_STEPS: Final[Steps] = ((None, GOOD), (BUSY_PCT, WARN), (90, BAD))
LATENCY_STEPS: Final[Steps] = ((None, GOOD), (SLOW_MS, WARN), (2 * SLOW_MS, BAD))
LOSS_STEPS: Final[Steps] = ((None, GOOD), (LOSSY_PCT, WARN), (2 * LOSSY_PCT, BAD))
LAG_STEPS: Final[Steps] = ((None, GOOD), (30, WARN), (LAG_ALARM_S, BAD))


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Absolute thresholds with their colours."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=value, color=colour) for value, colour in steps],
    )


def value_map(texts: Mapping[str, str], colours: Mapping[str, str] | None = None) -> dashboard.ValueMap:
    """A value mapping from code to text, with a colour for the codes in `colours`."""
    given = colours or {}
    return dashboard.ValueMap(
        options={
            code: dashboard.ValueMappingResult(text=shown, color=given.get(code), index=index)
            for index, (code, shown) in enumerate(texts.items())
        }
    )
