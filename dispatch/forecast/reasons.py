"""Why a container should be collected, or why there is no forecast of it; each reason has a text in every language."""

from __future__ import annotations

from typing import Final, Literal, get_args

from city.i18n.catalogue import FORECAST_TEXTS, Lang

CollectReason = Literal["full", "will_be_full", "organic_age", "alert", "citizen_report"]
"""full: its fill is at the limit. will_be_full: it reaches the limit within a day. organic_age: its organic waste is
old. alert: a fire or another alert of the container. citizen_report: somebody reported it."""
NoForecastReason = Literal[
    "never_observed", "too_few_visits", "observed_too_long_ago", "rate_unknown", "not_ready", "new_container"
]
"""never_observed: neither reading nor visit. too_few_visits: no sensor, and fewer than three visits that say how
full it was. observed_too_long_ago: the last observation is too old. rate_unknown: nothing is known of its stream.
not_ready: nothing has been fitted since the start. new_container: it was added to the inventory after the last fit."""
Grade = Literal["high", "medium", "low", "very_low"]
"""Reliability of a forecast, by the width of its interval a day ahead."""

COLLECT_REASONS: Final[tuple[CollectReason, ...]] = get_args(CollectReason)
NO_FORECAST_REASONS: Final[tuple[NoForecastReason, ...]] = get_args(NoForecastReason)
GRADES: Final[tuple[Grade, ...]] = get_args(Grade)


def reason_text(reason: CollectReason | NoForecastReason, lang: Lang) -> str:
    """The text of a reason."""
    return FORECAST_TEXTS.text(f"forecast_{reason}", lang)


def grade_text(grade: Grade, lang: Lang) -> str:
    """The text of a grade of reliability."""
    return FORECAST_TEXTS.text(f"reliability_{grade}", lang)
