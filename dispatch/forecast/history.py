"""What was observed of one stream: of each container, and of all together in order of time."""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from typing import Final

import numpy as np
import numpy.typing as npt

from city.inventory.geo import RADIUS_KM
from dispatch.forecast.context import FEATURES, Past
from dispatch.forecast.distribution import Floats
from dispatch.forecast.observation import Observation

NEARBY_BACK_S: Final = 87_000.0
"""How far back others are looked at: a day and what a daily report may be late."""
NEARBY_MAX: Final = 150
NEARBY_S: Final = 3_600.0
NEARBY_KM: Final = 2.0
_GROWN_BY: Final = 2


class Occasions:
    """Contexts and outcomes of occasions in order of time, in arrays that grow.

    `outcomes` are amounts, `sizes` the container's size at the time.
    """

    def __init__(self) -> None:
        self.count = 0
        self._contexts = np.empty((64, len(FEATURES)))
        self._columns = np.empty((64, 3))

    def append(self, at_s: float, context: Floats, outcome: float, size: float) -> int:
        """Add the newest occasion; returns its row."""
        if self.count == len(self._contexts):
            self._contexts = np.resize(self._contexts, (self.count * _GROWN_BY, len(FEATURES)))
            self._columns = np.resize(self._columns, (self.count * _GROWN_BY, 3))
        self._contexts[self.count] = context
        self._columns[self.count] = at_s, outcome, size
        self.count += 1
        return self.count - 1

    def before(self, at_s: float) -> int:
        """Number of occasions before a time."""
        return int(np.searchsorted(self._columns[: self.count, 0], at_s))

    def distances(self, rows: npt.NDArray[np.int64] | slice, context: Floats) -> Floats:
        """Squared distances of contexts, (rows,) float64."""
        differences = self._contexts[rows] - context
        return np.asarray(np.einsum("ij,ij->i", differences, differences))

    def columns(self, rows: npt.NDArray[np.int64] | slice) -> tuple[Floats, Floats, Floats]:
        """Times in seconds, outcomes and sizes, each (rows,) float64."""
        chosen = self._columns[rows]
        return chosen[:, 0], chosen[:, 1], chosen[:, 2]


class ObservedContainer:
    """Times, amounts and rows of occasions of one container and stream, oldest first."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.amounts: list[float] = []
        self.rows: list[int] = []
        self.row_times_s: list[float] = []
        self._filled_s: list[float] = []

    def append(self, at_s: float, amount: float) -> None:
        """Add the newest observation."""
        self.times_s.append(at_s)
        self.amounts.append(amount)
        if amount > 0:
            self._filled_s.append(at_s)

    def past(self, at_s: float, at_most: int) -> Past:
        """The newest observations before a time."""
        end = bisect.bisect_left(self.times_s, at_s)
        begin = max(end - at_most, 0)
        return Past(self.times_s[begin:end], self.amounts[begin:end])

    def filled_before_s(self, at_s: float) -> float | None:
        """When something was last found in it before a time."""
        index = bisect.bisect_left(self._filled_s, at_s)
        return self._filled_s[index - 1] if index else None

    def rows_before(self, at_s: float, at_most: int) -> npt.NDArray[np.int64]:
        """Rows of the newest occasions before a time."""
        end = bisect.bisect_left(self.row_times_s, at_s)
        return np.array(self.rows[max(end - at_most, 0) : end], dtype=np.int64)


class _Found:
    """Shares that were found at all places of a stream, in order of time; unknown positions are NaN."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.shares: list[float] = []
        self.lats_deg: list[float] = []
        self.lons_deg: list[float] = []


class ObservedStream:
    """Observations of one stream."""

    def __init__(self) -> None:
        self.occasions = Occasions()
        self.containers: defaultdict[str, ObservedContainer] = defaultdict(ObservedContainer)
        self.places: dict[str, tuple[float, float]] = {}
        self._found = _Found()

    def append(self, observation: Observation, at_s: float, share: float) -> None:
        """Add the newest observation; `share` is its amount as a share of the container's size.

        Raises:
            ValueError: It is older than the newest one.
        """
        if self._found.times_s and at_s < self._found.times_s[-1]:
            raise ValueError(f"{observation.at} lies before the newest observation of stream {observation.stream!r}")
        place = (_or_nan(observation.lat_deg), _or_nan(observation.lon_deg))
        self.places[observation.container] = place
        self.containers[observation.container].append(at_s, observation.amount)
        self._found.times_s.append(at_s)
        self._found.shares.append(share)
        self._found.lats_deg.append(place[0])
        self._found.lons_deg.append(place[1])

    def count_before(self, at_s: float) -> int:
        """Number of observations before a time."""
        return bisect.bisect_left(self._found.times_s, at_s)

    def add_occasion(self, observation: Observation, at_s: float, context: Floats, size: float) -> None:
        """Add what was known before the newest observation; `size` is the container's size as it was known then."""
        container = self.containers[observation.container]
        container.rows.append(self.occasions.append(at_s, context, observation.amount, size))
        container.row_times_s.append(at_s)

    def nearby(self, container: str, at_s: float) -> float:
        """Mean share that was found in containers of this stream, above all shortly before and near; 0 without any."""
        earlier = self._found
        end = bisect.bisect_left(earlier.times_s, at_s)
        begin = max(bisect.bisect_left(earlier.times_s, at_s - NEARBY_BACK_S), end - NEARBY_MAX)
        if begin == end:
            return 0.0
        ages = (at_s - np.array(earlier.times_s[begin:end])) / NEARBY_S
        here = self.places.get(container, (math.nan, math.nan))
        apart = _apart_km(here, earlier.lats_deg[begin:end], earlier.lons_deg[begin:end]) / NEARBY_KM
        # The newest counts fully, so that a city that reports once a day has weights as well.
        unlike = ages + apart
        weights = np.exp(unlike.min() - unlike)
        return float(weights @ np.array(earlier.shares[begin:end]) / weights.sum())


def _or_nan(angle_deg: float | None) -> float:
    return math.nan if angle_deg is None else angle_deg


def _apart_km(here: tuple[float, float], lats_deg: list[float], lons_deg: list[float]) -> Floats:
    """Distances within a city in kilometres, (n,) float64; 0 where a position is unknown."""
    north = np.radians(np.array(lats_deg) - here[0])
    east = np.radians(np.array(lons_deg) - here[1]) * math.cos(math.radians(here[0]))
    return np.asarray(np.nan_to_num(np.hypot(north, east)) * RADIUS_KM)
