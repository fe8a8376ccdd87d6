"""What the next visit or reading of a container finds, from earlier ones that were made in similar circumstances.

It includes what is not known: whether a crew empties a container in between, and which stream a crew collects. The
forecast is a weighted distribution of earlier outcomes: those of the container itself, and with less weight those of
all containers of its stream, scaled to its size. A weight falls with the difference of the contexts and with age.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, tzinfo
from typing import Final

import msgspec
import numpy as np

from dispatch.forecast.context import SIZE_OF, context_of, size_of
from dispatch.forecast.distribution import Floats, IntervalCalibration, WeightedOutcomes
from dispatch.forecast.history import ObservedStream
from dispatch.forecast.observation import Observation

OBSERVATIONS_MIN: Final = 3
"""Fewer observations of a container allow no forecast."""
OWN_MAX: Final = 600
"""Number of the container's own occasions that are compared."""
SHARED_MAX: Final = 2_000
"""Number of occasions of all containers of the stream that are compared."""
SHARED_WEIGHT: Final = 0.02
AGE_DAYS: Final = 250.0
"""Age at which an occasion of the container has lost two thirds of its weight."""
UNLIKE_WEIGHT: Final = 0.003
"""Weight of an own occasion that is not alike at all: what decides when nothing is."""
UNLIKE_AGE_DAYS: Final = 20.0
_DAY_S: Final = 86_400.0


class ExpectedObservation(msgspec.Struct, frozen=True):
    """What an observation is expected to find, in the unit of the earlier ones; the interval holds 80 %."""

    mean: float
    median: float
    lo80: float
    hi80: float


class _Forecast(msgspec.Struct, frozen=True):
    """What is known before an occasion; `known` is its time and the number of observations before it."""

    known: tuple[float, int]
    context: Floats
    size: float
    distribution: WeightedOutcomes | None


class NextObservations:
    """Forecasts of many containers; learns one observation at a time, in order of time.

    A forecast uses what was observed before its moment, whatever was learnt since.

    Args:
        zone: Of local hours and weekdays.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._streams: defaultdict[str, ObservedStream] = defaultdict(ObservedStream)
        self._calibrations: defaultdict[str, IntervalCalibration] = defaultdict(IntervalCalibration)
        self._newest: dict[tuple[str, str], _Forecast] = {}

    def forecast(self, container: str, stream: str, at: datetime) -> ExpectedObservation | None:
        """What an observation at `at` finds; None after fewer than `OBSERVATIONS_MIN`."""
        forecast = self._forecast(container, stream, at)
        if forecast is None or forecast.distribution is None:
            return None
        distribution = forecast.distribution
        interval = self._calibrations[stream].interval(distribution, at.timestamp())
        return ExpectedObservation(distribution.mean, distribution.quantile(0.5), interval.low, interval.high)

    def learn(self, observation: Observation) -> None:
        """Learn an observation, and how good the forecast of it was.

        Raises:
            ValueError: A later one of its stream was learnt before.
        """
        at_s = observation.at.timestamp()
        stream = self._streams[observation.stream]
        forecast = self._forecast(observation.container, observation.stream, observation.at)
        size = size_of([*stream.containers[observation.container].past(at_s, SIZE_OF).amounts, observation.amount])
        stream.append(observation, at_s, observation.amount / size)
        if forecast is None:
            return
        if forecast.distribution is not None:
            self._calibrations[observation.stream].learn(forecast.distribution, observation.amount, at_s)
        stream.add_occasion(observation, at_s, forecast.context, forecast.size)

    def _forecast(self, container: str, stream_name: str, at: datetime) -> _Forecast | None:
        """Context and distribution; None before the first observation."""
        stream, at_s = self._streams[stream_name], at.timestamp()
        known = at_s, sum(observed.count_before(at_s) for observed in self._streams.values())
        newest = self._newest.get((container, stream_name))
        if newest is not None and newest.known == known:
            return newest
        past = stream.containers[container].past(at_s, SIZE_OF)
        if not past.times_s:
            return None
        size = size_of(past.amounts)
        local = at.astimezone(self._zone)
        other_s = self._filled_in_other_stream_s(container, stream_name, at_s)
        context = context_of(past, size, local, at_s, other_s, stream.nearby(container, at_s))
        is_enough = len(past.times_s) >= OBSERVATIONS_MIN
        distribution = _distribution(stream, container, at_s, context, size) if is_enough else None
        forecast = self._newest[container, stream_name] = _Forecast(known, context, size, distribution)
        return forecast

    def _filled_in_other_stream_s(self, container: str, stream_name: str, at_s: float) -> float | None:
        times = (
            stream.containers[container].filled_before_s(at_s)
            for name, stream in self._streams.items()
            if name != stream_name and container in stream.containers
        )
        return max((time for time in times if time is not None), default=None)


def _distribution(
    stream: ObservedStream, container: str, at_s: float, context: Floats, size: float
) -> WeightedOutcomes | None:
    occasions = stream.occasions
    own = stream.containers[container].rows_before(at_s, OWN_MAX)
    end = occasions.before(at_s)
    shared = slice(max(end - SHARED_MAX, 0), end)
    times_s, outcomes, _ = occasions.columns(own)
    age_days = (at_s - times_s) / _DAY_S
    alike = np.exp(-occasions.distances(own, context) / 2 - age_days / AGE_DAYS)
    own_weights = alike + UNLIKE_WEIGHT * np.exp(-age_days / UNLIKE_AGE_DAYS)
    _, shared_outcomes, sizes = occasions.columns(shared)
    shared_weights = SHARED_WEIGHT * np.exp(-occasions.distances(shared, context) / 2)
    weights = np.concatenate((own_weights, shared_weights))
    if weights.sum() <= 0:
        return None
    return WeightedOutcomes(np.concatenate((outcomes, shared_outcomes * (size / sizes))), weights)
