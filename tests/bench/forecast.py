"""`kota bench forecast`: forecasts of real observations, each from what was known before it, in a file to be judged.

Observations are taken in order of time. All of a moment are forecast first and learnt afterwards. The settings are
those of the package, the same for every set. A row is written for each observation with a forecast. `--refit` measures
the refit of a made-up city instead, `--found` the model of a city on visits without sensors.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError
from dispatch.forecast.city_model import fit
from dispatch.forecast.next_observation import ExpectedObservation, NextObservations
from dispatch.forecast.observation import Observation, clean
from dispatch.forecast.outlook import forecast
from tests.bench.forecast_visits import measure_found
from tests.support.filling import NOW, ZONE, made_up_city

FOLDER: Final = Path(__file__).parents[3] / "shared" / "data" / "fill"


class Entry(msgspec.Struct, frozen=True):
    """An observation of a set, and the columns that name it in the file of forecasts."""

    observation: Observation
    named: dict[str, str]


class FillSet(msgspec.Struct, frozen=True):
    """The layout of a set: its columns, and how its entries are read from its folder."""

    columns: tuple[str, ...]
    read: Callable[[Path], Iterator[Entry]]


def read_levels(folder: Path) -> Iterator[Entry]:
    """Levels of containers, one a day."""
    for row in _rows(folder / "wyndham-daily.csv"):
        if row["level"]:
            place = _number(row, "lat_deg"), _number(row, "lon_deg")
            observation = Observation(row["bin"], "all", _moment(row["date"]), float(row["level"]), *place)
            yield Entry(observation, {"bin": row["bin"], "date": row["date"]})


def read_visits(folder: Path) -> Iterator[Entry]:
    """Containers full of each stream that crews emptied at points."""
    places = {
        row["point"]: (_number(row, "lat_deg"), _number(row, "lon_deg")) for row in _rows(folder / "visits-places.csv")
    }
    for row in _rows(folder / "visits.csv"):
        streams = [column.removesuffix("_bins") for column in row if column.endswith("_bins")]
        for stream in streams:
            if row[f"{stream}_bins"] and row[f"{stream}_fill"]:
                amount = float(row[f"{stream}_bins"]) * float(row[f"{stream}_fill"])
                place = places.get(row["point"], (None, None))
                observation = Observation(row["point"], stream, _moment(row["visited_at"]), amount, *place)
                named = {"point": row["point"], "visited_at": row["visited_at"], "stream": stream}
                yield Entry(observation, named)


SETS: Final[Mapping[str, FillSet]] = {
    "wyndham": FillSet(("bin", "date"), read_levels),
    "visits": FillSet(("point", "visited_at", "stream"), read_visits),
}


def forecasts_of(entries: Iterable[Entry]) -> Iterator[tuple[Entry, ExpectedObservation]]:
    """Each entry that can be forecast, with the forecast from the entries before its moment.

    An entry whose amount is no number is forecast as well, and not learnt.
    """
    listed = {(entry.observation.at, entry.observation.container, entry.observation.stream): entry for entry in entries}
    moments = sorted({at for at, *_ in listed})
    cleaned = clean((entry.observation for entry in listed.values()), moments[-1]) if moments else None
    usable = set(cleaned.observations) if cleaned else set()
    model = NextObservations(UTC)
    for at, group in itertools.groupby(sorted(listed), key=lambda key: key[0]):
        keys = list(group)
        for key in keys:
            expected = model.forecast(key[1], key[2], at)
            if expected is not None:
                yield listed[key], expected
        for key in keys:
            if listed[key].observation in usable:
                model.learn(listed[key].observation)


def run(argv: list[str]) -> int:
    """Write the forecasts of a set, or measure a refit."""
    parser = argparse.ArgumentParser(prog="kota bench forecast", description=__doc__)
    parser.add_argument("--set", dest="name", choices=sorted(SETS), help="layout of the observations")
    parser.add_argument("--out", type=Path, help="CSV of forecasts")
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder of the observations")
    parser.add_argument("--refit", type=int, metavar="CONTAINERS", help="measure the refit of so many with sensors")
    parser.add_argument("--found", action="store_true", help="compare the city's model with what crews found")
    args = parser.parse_args(argv)
    if args.refit is not None:
        return measure_refit(args.refit)
    if args.found:
        return measure_found(entry.observation for entry in read_visits(args.data))
    if args.name is None or args.out is None:
        parser.error("--set and --out belong together")
    begun_s = time.process_time()
    count = write(SETS[args.name], args.data, args.out)
    print(f"{count} forecasts in {args.out}, {time.process_time() - begun_s:.1f} s of CPU")
    return 0


def measure_refit(count: int) -> int:
    """Print CPU seconds of a fit to 60 days of hourly readings, and of the forecasts of a week from it."""
    containers, histories = made_up_city(count)
    begun_s = time.process_time()
    model = fit(containers, histories, ZONE, NOW)
    fitted_s = time.process_time()
    for container in containers:
        forecast(model, container.id, NOW)
    readings = sum(len(history.times_s) for history in histories.values())
    print(f"{count} containers, {readings} readings: fit {fitted_s - begun_s:.2f} s of CPU", end=", ")
    print(f"forecasts of 169 hours of all {time.process_time() - fitted_s:.2f} s")
    return 0


def write(fill_set: FillSet, folder: Path, out: Path) -> int:
    """Write the forecasts of a set; returns their number."""
    count = 0
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*fill_set.columns, *msgspec.structs.asdict(ExpectedObservation(0, 0, 0, 0))])
        writer.writeheader()
        for entry, expected in forecasts_of(list(fill_set.read(folder))):
            writer.writerow({**entry.named, **msgspec.structs.asdict(expected)})
            count += 1
    return count


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}") from exc


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(row: dict[str, str], column: str) -> float | None:
    return float(row[column]) if row.get(column) else None
