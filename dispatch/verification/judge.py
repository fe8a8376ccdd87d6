"""The verdict on a stop, a pure function of all that is known: later signals may change it."""

from __future__ import annotations

from datetime import datetime

from dispatch.verification.signals import StopFacts, StopSignals
from dispatch.verification.states import StopVerdict


def judge_stop(stop: StopFacts, signals: StopSignals, now: datetime) -> StopVerdict:
    """The state of a stop at a time, with its evidence.

    Args:
        stop: As it was planned.
        signals: What is known; what happened after `now` is ignored.
        now: UTC.
    """
    if signals.supervisor and signals.supervisor.at <= now:
        return StopVerdict(signals.supervisor.state)
    return StopVerdict("planned" if now <= stop.closes_at else "missed")
