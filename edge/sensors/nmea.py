"""GPS receivers with NMEA 0183 over a serial line: position, speed and accuracy.

The position is taken from RMC, its accuracy from the GGA of the same moment. No fix, dead reckoning, simulation and a
position without hemisphere are all no position.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import Any, Final

import msgspec
import pynmea2
from pynmea2.types.talker import GGA, RMC

from city.errors import RetryLaterError
from edge.sensors.driver_status import DriverStatus, valid_values
from edge.sensors.port import Assignment, Sensor
from edge.sensors.serial_line import Baud, SerialStream, serial_path
from edge.sensors.source import options_of
from edge.sensors.streamed import Sample, StreamedSensor

KMH_PER_KNOT: Final = 1.852
LINE_MAX_BYTES: Final = 256
"""Upper limit of a sentence; NMEA 0183 allows 82 bytes, and receivers write a few more."""
MEASURED_MODES: Final = ("", "A", "D", "F", "P", "R")
"""RMC's mode: autonomous, differential, float, precise, real time; old receivers have none. Not estimated (E),
manual (M), simulated (S) or not valid (N)."""
MEASURED_QUALITIES: Final = (1, 2, 3, 4, 5, 9)
"""GGA's quality: fixes. Not 0 (none), 6 (estimated), 7 (manual) and 8 (simulated)."""
UNKNOWN_HDOP: Final = 99.0
"""Receivers write 99.9 or 99.99 for "unknown"."""


class NmeaOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`."""

    baud: Baud = 9600


class NmeaDecoder:
    """Decodes sentences into positions; a sentence without a correct checksum is unreadable."""

    def __init__(self) -> None:
        self.unreadable = 0
        self._rest = b""
        self._rmc: RMC | None = None
        self._gga: GGA | None = None
        self._moment: tuple[RMC | None, GGA | None] | None = None

    def feed(self, chunk: bytes) -> None:
        """Add bytes; a sentence is between `$` and the end of its line."""
        *lines, rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[-LINE_MAX_BYTES:]
        for line in filter(None, lines):
            self._parse_line(line[-LINE_MAX_BYTES:])

    def _parse_line(self, line: bytes) -> None:
        try:
            sentence = pynmea2.parse(line[max(0, line.rfind(b"$")) :].decode("ascii"), check=True)
        except (pynmea2.SentenceTypeError, pynmea2.ChecksumError, pynmea2.ParseError, ValueError):
            self.unreadable += 1
            return
        if isinstance(sentence, RMC):
            self._rmc = sentence
        elif isinstance(sentence, GGA):
            self._gga = sentence
        if self._rmc is not None and self._gga is not None and self._rmc.timestamp == self._gga.timestamp:
            self._moment = (self._rmc, self._gga)

    def take_sample(self) -> Sample:
        """The newest fix and its time."""
        rmc, gga = self._moment or (self._rmc, self._gga)
        self._rmc = self._gga = self._moment = None
        if rmc is None and gga is None:
            raise RetryLaterError("no RMC or GGA sentence could be read")
        if gga is not None and (rmc is None or gga.timestamp == rmc.timestamp) and not _is_fix(gga):
            raise RetryLaterError("the receiver has no fix")
        if rmc is None:
            return Sample({**_position(gga), **_fix_quality(gga)})
        if rmc.status != "A" or (rmc.mode_indicator or "") not in MEASURED_MODES:
            raise RetryLaterError("the receiver has no fix")
        quality = _fix_quality(gga) if gga is not None and gga.timestamp == rmc.timestamp else {}
        return Sample({**_position(rmc), **_motion(rmc), **quality}, _time_of(rmc))

    def reset(self) -> None:
        """Discard incomplete input."""
        self._rest = b""
        self._rmc = self._gga = self._moment = None


def _is_fix(gga: GGA) -> bool:
    return gga.gps_qual in MEASURED_QUALITIES


def _position(sentence: Any) -> dict[str, float]:  # noqa: ANN401 - the library has no types
    """Latitude and longitude.

    Raises:
        RetryLaterError: The position is incomplete; the library would use 0 for what is missing.
    """
    try:
        if sentence.lat and sentence.lon and sentence.lat_dir in ("N", "S") and sentence.lon_dir in ("E", "W"):
            position = {"lat_deg": round(sentence.latitude, 7), "lon_deg": round(sentence.longitude, 7)}
            if valid_values("truck", position) == position:
                return position
    except ValueError:
        pass
    raise RetryLaterError("the receiver's position is not whole")


def _motion(rmc: RMC) -> dict[str, float]:
    """Speed and course; many receivers leave the course empty while standing."""
    motion = {}
    if (knots := _number(rmc.spd_over_grnd)) is not None:
        motion["speed_kmh"] = round(knots * KMH_PER_KNOT, 2)
    if (course := _number(rmc.true_course)) is not None:
        motion["heading_deg"] = course
    return motion


def _fix_quality(gga: GGA) -> dict[str, float]:
    quality: dict[str, float] = {}
    hdop = _number(gga.horizontal_dil)
    if hdop is not None and 0 < hdop < UNKNOWN_HDOP:
        quality["hdop"] = hdop
    satellites = _number(gga.num_sats)
    if satellites is not None:
        quality["satellites"] = int(satellites)
    return quality


def _time_of(rmc: RMC) -> datetime | None:
    """Time by the satellites' clocks; ingest validates dates from before the first fix."""
    if isinstance(rmc.datestamp, date) and isinstance(rmc.timestamp, time_of_day):
        return datetime.combine(rmc.datestamp, rmc.timestamp, tzinfo=UTC)
    return None


def _number(value: object) -> float | None:
    """A field as a number; the library leaves unreadable ones as text."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def open_sensor(assignment: Assignment) -> Sensor:
    """A receiver on the port in `--source`."""
    options = options_of(assignment.source, NmeaOptions)
    path = serial_path(assignment.source)
    return StreamedSensor(
        lambda: SerialStream(path, options.baud),
        NmeaDecoder(),
        DriverStatus("nmea", assignment.device),
        interval_s=assignment.interval_s,
    )
