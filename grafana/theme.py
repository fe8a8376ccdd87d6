"""Colours and limits of every dashboard, as Grafana's thresholds and value mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard

from ingest.store.views.device_condition import BUSY_PCT, FILLING_PCT, FULL_PCT, LOSSY_PCT, LOW_BATTERY_PCT, SLOW_MS

STANDING_KMH: Final = 3
"""Below this speed a truck stands: receivers of satellites scatter so much."""

SPEED_LIMIT_KMH: Final = 50
"""Speed limit within cities. Source: Peraturan Menteri Perhubungan 111/2015, article 3."""

LAG_ALARM_S: Final = 120
"""Above this lag the data is too old to dispatch by."""

HEX: Final = {
    "semi-dark-green": "#56a64b",
    "semi-dark-orange": "#ff780a",
    "semi-dark-red": "#e02f44",
    "semi-dark-blue": "#3274d9",
    "light-blue": "#8ab8ff",
}
"""Grafana's names of colours, as HTML has them."""

CLOCK_SKEW_S: Final = 300
"""An age can be negative by so much: the browser's clock differs from that of the server."""

GOOD: Final = "semi-dark-green"
WARN: Final = "semi-dark-orange"
BAD: Final = "semi-dark-red"
CALM: Final = "semi-dark-blue"
UNKNOWN: Final = "#8a949e"
PLAIN: Final = "text"

NO_VALUE: Final = "—"
"""Stands for a value that is not there; with the first colour of its steps, which is grey."""

Steps = Sequence[tuple[float | None, str]]
"""Threshold steps: (lower bound, colour). The first bound is None; its colour is that of a value that is not there."""


def _from_zero(*steps: tuple[float, str]) -> Steps:
    """Steps whose first colour is grey, so that a missing value never looks like a good one."""
    return ((None, UNKNOWN), *steps)


CALM_STEPS: Final = _from_zero((0, CALM))
PLAIN_STEPS: Final = _from_zero((0, PLAIN))
GOOD_STEPS: Final = _from_zero((0, CALM), (1, GOOD))
ANY_IS_BAD: Final = _from_zero((0, GOOD), (1, BAD))
ANY_IS_WARN: Final = _from_zero((0, GOOD), (1, WARN))
FLAG_STEPS: Final = _from_zero((0, BAD), (1, GOOD))
FILL_STEPS: Final = _from_zero((0, GOOD), (FILLING_PCT, WARN), (FULL_PCT, BAD))
FUEL_STEPS: Final = _from_zero((0, BAD), (15, WARN), (30, GOOD))
BUSY_STEPS: Final = _from_zero((0, GOOD), (BUSY_PCT, WARN), (90, BAD))
LATENCY_STEPS: Final = _from_zero((0, GOOD), (SLOW_MS, WARN), (2 * SLOW_MS, BAD))
LOSS_STEPS: Final = _from_zero((0, GOOD), (LOSSY_PCT, WARN), (2 * LOSSY_PCT, BAD))
LAG_STEPS: Final = _from_zero((-CLOCK_SKEW_S, GOOD), (30, WARN), (LAG_ALARM_S, BAD))
TRAIL_STEPS: Final = _from_zero((0, WARN), (STANDING_KMH, CALM), (SPEED_LIMIT_KMH, BAD))
BATTERY_STEPS: Final = _from_zero((0, BAD), (LOW_BATTERY_PCT, WARN), (30, GOOD))
SIGNAL_STEPS: Final = _from_zero((-200, BAD), (-115, WARN), (-105, GOOD))
"""Signal of a sensor in dBm; below -115 LoRaWAN and NB-IoT lose messages."""
SPEED_STEPS: Final = _from_zero((0, GOOD), (SPEED_LIMIT_KMH, WARN), (SPEED_LIMIT_KMH + 20, BAD))
COUNT_BAD_STEPS: Final = _from_zero((0, PLAIN), (1, BAD))
COUNT_WARN_STEPS: Final = _from_zero((0, PLAIN), (1, WARN))
COUNT_GOOD_STEPS: Final = _from_zero((0, PLAIN), (1, GOOD))


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
