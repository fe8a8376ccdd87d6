"""`kota bench forecast --found`: what the model of a city says of containers without a sensor, when a crew then comes.

The set `visits` without the visits that found nothing of a stream. Amounts are shares of the largest that the container
had before the measured time. There is a fit every week; visits are learnt in between. Beside it: the median of the
last 20.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from dispatch.forecast.city_model import HISTORY, CityModel, fit
from dispatch.forecast.growth import Emptying, FillHistory
from dispatch.forecast.observation import Observation
from dispatch.forecast.outlook import forecast
from dispatch.forecast.places import Container

MEASURED_DAYS: Final = 75
MEASURED_SHARE: Final = 0.8
"""The measured days begin when so much of the set is known."""
FIT_EVERY: Final = timedelta(days=7)
MEDIAN_OF: Final = 20


class FoundRow(msgspec.Struct, frozen=True):
    """What a visit found, in percent, and what was said before."""

    stream: str
    found_pct: float
    mean_pct: float
    lo80_pct: float
    hi80_pct: float
    median_pct: float


def rows_of(observations: Iterable[Observation]) -> Iterator[FoundRow]:
    """Visits of the measured days with their forecasts."""
    filled = sorted((seen for seen in observations if seen.amount > 0), key=lambda seen: seen.at)
    begin = filled[int(len(filled) * MEASURED_SHARE)].at
    sizes: defaultdict[str, float] = defaultdict(float)
    for seen in filled:
        if seen.at < begin:
            sizes[_id(seen)] = max(sizes[_id(seen)], seen.amount)
    visits: defaultdict[str, list[Emptying]] = defaultdict(list)
    containers = {_id(seen): Container(_id(seen), seen.stream, site=seen.container) for seen in filled}
    model, fitted_at = None, begin - FIT_EVERY
    for seen in filled:
        id_ = _id(seen)
        if seen.at >= begin + timedelta(days=MEASURED_DAYS):
            return
        if id_ not in sizes:
            continue
        visit = Emptying(seen.at, seen.amount / sizes[id_] * 100, 0.0)
        if seen.at >= begin:
            if model is None or seen.at >= fitted_at + FIT_EVERY:
                model, fitted_at = _fit(containers.values(), visits, seen.at), seen.at
            yield from _row(model, containers[id_], visit, visits[id_])
            model.learn_visit(id_, visit, seen.at)
        visits[id_].append(visit)


def measure_found(observations: Iterable[Observation]) -> int:
    """Print the errors of each stream."""
    rows: defaultdict[str, list[FoundRow]] = defaultdict(list)
    for row in rows_of(observations):
        rows[row.stream].append(row)
    for stream, of_stream in sorted(rows.items()):
        mae = statistics.fmean(abs(row.mean_pct - row.found_pct) for row in of_stream)
        median = statistics.fmean(abs(row.median_pct - row.found_pct) for row in of_stream)
        inside = statistics.fmean(row.lo80_pct <= row.found_pct <= row.hi80_pct for row in of_stream)
        print(
            f"{stream}: off by {mae:.1f} points, inside80 {inside:.3f}, n {len(of_stream)}; median of 20: {median:.1f}"
        )
    return 0


def _id(seen: Observation) -> str:
    return f"{seen.container}/{seen.stream}"


def _fit(containers: Iterable[Container], visits: dict[str, list[Emptying]], at: datetime) -> CityModel:
    histories = {
        id_: FillHistory(np.empty(0), np.empty(0), [visit for visit in listed if visit.at > at - HISTORY])
        for id_, listed in visits.items()
    }
    return fit(containers, histories, UTC, at - timedelta(seconds=1))


def _row(model: CityModel, container: Container, visit: Emptying, earlier: list[Emptying]) -> Iterator[FoundRow]:
    hours = forecast(model, container.id, visit.at, hours=1).hours
    if hours and visit.found_pct is not None:
        median = statistics.median(past.found_pct or 0.0 for past in earlier[-MEDIAN_OF:])
        said = hours[0].mean_pct, hours[0].lo80_pct, hours[0].hi80_pct, min(median, 100.0)
        yield FoundRow(container.stream, min(visit.found_pct, 100.0), *said)
