"""Every real message of the sample folder: what is stored of it is what its source says, and the page says so too."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from api.queries.trips import trip_of
from city.inventory.geo import distance_km
from city.inventory.loader import builtin_city, load_city
from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.pipeline.stateful_rules import FASTEST_KMH, StatefulRules
from ingest.store.records import EventRecord, Reading
from tests.support.field_samples import NO_MESSAGES, SAMPLES, Sample, needs_samples, rows_of
from tests.support.field_samples_page import PAGE, device_of, fate_of, page, results

pytestmark = needs_samples
FATES = {"stored", "undecoded", "unknown device", "dead letter", "nothing to store"}


@pytest.fixture(scope="module")
def found() -> list[tuple[Sample, DecodeResult]]:
    return list(results())


def values_of(result: DecodeResult) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for record in result.records:
        if isinstance(record, Reading):
            merged |= record.values
    return merged


def test_the_page_of_samples_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.support.field_samples_page"


def test_every_file_of_the_folder_is_accounted_for(found: list[tuple[Sample, DecodeResult]]) -> None:
    files = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.is_file()}
    schemas = {file for file in files if file.startswith("conventions/smart-data-models/")}  # see test_ngsi
    assert files - schemas - {"README.md"} == {sample.file for sample, _ in found} | NO_MESSAGES.keys()


def test_no_message_crashes_a_decoder_and_each_has_a_fate(found: list[tuple[Sample, DecodeResult]]) -> None:
    assert {fate_of(result) for _, result in found} <= FATES
    reasons = [letter.reason for _, result in found for letter in result.rejected]
    assert not [reason for reason in reasons if reason.startswith("decoder failed")]


def number(value: object) -> float | None:
    from ingest.decoding.formats.parsing import parse_number  # noqa: PLC0415 - named like what tests do

    return parse_number(value.get("value") if isinstance(value, dict) else value)


@pytest.mark.parametrize(
    ("key", "field", "factor"),
    [
        ("distance", "distance_mm", 1),
        ("Distance", "distance_mm", 1),
        ("distance1_cm", "distance_mm", 10),
        ("proxx_mm", "distance_mm", 1),
        ("proxx", "distance_mm", 10),
        ("temperature", "temperature_c", 1),
        ("temp", "temperature_c", 1),
        ("Bat", "battery_v", 1),
        ("BatV", "battery_v", 1),
        ("battery_vol", "battery_v", 1),
        ("battery_voltage", "battery_v", 1),
    ],
)
def test_what_is_stored_is_what_the_source_says(
    found: list[tuple[Sample, DecodeResult]], key: str, field: str, factor: float
) -> None:
    compared = 0
    for sample, result in found:
        said, stored = sample.source_says, values_of(result)
        if not isinstance(said, dict) or key not in said or field not in stored or "noah" in sample.file:
            continue
        compared += 1
        assert stored[field] == pytest.approx(number(said[key]) * factor), sample  # type: ignore[operator]
    assert compared > 0


def test_every_frame_that_we_decode_gives_what_its_makers_decoder_gives(
    found: list[tuple[Sample, DecodeResult]],
) -> None:
    alone = {(s.file, s.payload): r for s, r in found if s.about.endswith("bytes alone") and not r.rejected}
    assert len(alone) >= 14
    decoded = {(s.file, s.about.removesuffix(", decoded")): r for s, r in found if s.about.endswith(", decoded")}
    for sample, result in found:
        if sample.about.endswith(", bytes alone") and not result.rejected:
            with_it = decoded.get((sample.file, sample.about.removesuffix(", bytes alone")))
            if with_it is not None:
                assert values_of(result) == values_of(with_it), sample.about


def test_things_board_captures_give_what_it_expects(found: list[tuple[Sample, DecodeResult]]) -> None:
    names = {"battery": "battery_pct", "distance": "distance_mm", "temperature": "temperature_c"}
    checked = 0
    for sample, result in found:
        if "thingsboard" not in sample.file:
            continue
        for key, value in sample.source_says.items():
            if key in names:
                checked += 1
                assert values_of(result)[names[key]] == pytest.approx(value), sample.file
    assert checked > 60


def test_share_that_is_free_becomes_share_that_is_full(found: list[tuple[Sample, DecodeResult]]) -> None:
    (noah,) = [values_of(r) for s, r in found if "noah" in s.file and not r.rejected]
    assert noah["fill_pct"] == pytest.approx(100 - 4.766845703125)


def test_sentinels_are_unknown_not_zero(found: list[tuple[Sample, DecodeResult]]) -> None:
    for sample, result in found:
        said = sample.source_says or {}
        if number(said.get("Distance")) in (0.0, 20.0) or said.get("distance") == "No Sensor":
            assert "fill_pct" not in values_of(result), sample.about
            assert "distance_mm" not in values_of(result), sample.about


def test_of_762_rows_of_a_real_tracker_all_are_kept_and_it_is_said_what_was_not_believed(
    found: list[tuple[Sample, DecodeResult]],
) -> None:
    rows = [result for sample, result in found if "sequence_762" in sample.file]
    readings = [record for result in rows for record in result.records if isinstance(record, Reading)]
    words = Counter(word for reading in readings for word in reading.origin.quality if word != "late")
    assert (len(rows), len(readings)) == (762, 762)
    assert words == {"no_fix": 446, "clock": 12}
    assert sum("lat_deg" in reading.values for reading in readings) == 762 - 446
    assert len({reading.origin.seq for reading in readings}) == 762


@pytest.mark.parametrize(
    ("name", "events", "repeated", "km", "stops_min"),
    [("vehicle1-trip1", 865, 2, (18.0, 20.0), []), ("vehicle2-trip1", 492, 0, (23.5, 26.0), [6.2])],
)
def test_a_real_trip_replayed_has_no_jumps_and_a_plausible_length(
    name: str, events: int, repeated: int, km: tuple[float, float], stops_min: list[float]
) -> None:
    """Through decoder and history, each message at its own time of receipt, as ingest would have had them."""
    city = load_city(builtin_city("kupang"))
    rows = [json.loads(row) for row in rows_of(f"trucks/real_truck_trip_{name}.ndjson")]
    vehicle = rows[0]["ev"]["vehicleId"]
    city = city.with_devices({"it": device_of(Sample("", "", "", b"", "json", vehicle, "drvr-truck", "truck"))})
    decoder, history = Decoder(city, late_after=timedelta(minutes=15)), StatefulRules()
    readings: list[Reading] = []
    harsh = 0
    for row in sorted(rows, key=received_text):
        received = datetime.strptime(received_text(row), "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
        result = decoder.decode(Arrival(f"json/{vehicle}", json.dumps(row).encode(), received))
        assert not result.rejected, result.rejected
        settled = history.apply(result.records)
        history.commit()
        readings += [record for record in settled if isinstance(record, Reading)]
        harsh += sum(isinstance(record, EventRecord) and record.type == "harsh_braking" for record in settled)
    assert len(readings) == events
    distinct = len({(reading.origin.epoch, reading.origin.seq) for reading in readings})
    assert distinct == events - repeated == len(set(map(json.dumps, rows))), (
        "what is the same came twice, byte for byte"
    )
    assert harsh == 1
    placed = sorted(
        (reading for reading in readings if "lat_deg" in reading.values), key=lambda reading: reading.origin.measured_at
    )
    assert len(placed) > 0.9 * events
    trip = trip_of(placed)
    assert km[0] < trip.distance_km < km[1]
    assert trip.odometer_km is None or trip.odometer_km == pytest.approx(trip.distance_km, rel=0.1)
    assert [round((stop.end - stop.start).total_seconds() / 60, 1) for stop in trip.stops] == stops_min
    for fix, next_fix in pairwise(placed):
        hours = (next_fix.origin.measured_at - fix.origin.measured_at).total_seconds() / 3600
        assert distance_km(*where(fix), *where(next_fix)) <= max(0.3, FASTEST_KMH * hours)


def where(fix: Reading) -> tuple[float, float]:
    return float(fix.values["lat_deg"]), float(fix.values["lon_deg"])


def received_text(row: dict[str, Any]) -> str:
    """When it was received; a few of them do not say."""
    return str(row["ev"].get("receivedTs", row["ev"]["ts"]))
