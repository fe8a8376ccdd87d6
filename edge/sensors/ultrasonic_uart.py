"""Ultrasonic distance sensors over a UART: A02YYUW, A01NYUB, JSN-SR04T and similar.

A frame is `FF`, distance high, distance low (mm), checksum. "No echo" is sent as 0 or as a distance far beyond the
range. The reading is the median of the newest frames, because rain and insects disturb single ones.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from city.errors import RetryLaterError
from edge.sensors.driver_status import DriverStatus
from edge.sensors.port import Assignment, Sensor
from edge.sensors.serial_line import Baud, SerialStream, serial_path
from edge.sensors.source import options_of
from edge.sensors.streamed import Sample, StreamedSensor

HEADER: Final = 0xFF
FRAME_BYTES: Final = 4
NEWEST: Final = 15
ASK_EVERY_S: Final = 0.5

Model = Literal["a02yyuw", "a01nyub", "jsn-sr04t"]

RANGES_MM: Final[dict[Model, tuple[int, int]]] = {
    "a02yyuw": (30, 4500),
    "a01nyub": (280, 7500),
    "jsn-sr04t": (200, 6000),
}
"""Minimum and maximum distance of a model. Source: DFRobot SEN0311 and SEN0313, JSN-SR04T V3.0 data sheet."""


class UltrasonicUartOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`. `ask` is the byte, in hex, that triggers a sensor that does not stream: `55`."""

    model: Model = "a02yyuw"
    baud: Baud = 9600
    ask: Annotated[str, Meta(pattern="^([0-9a-fA-F]{2})?$")] = ""


class UltrasonicFrameDecoder:
    """Decodes frames.

    Args:
        range_mm: Minimum and maximum valid distance.
    """

    def __init__(self, range_mm: tuple[int, int]) -> None:
        self.unreadable = 0
        self._range_mm = range_mm
        self._rest = bytearray()
        self._newest: deque[int] = deque(maxlen=NEWEST)

    def feed(self, chunk: bytes) -> None:
        """Add bytes; bytes outside frames are skipped."""
        rest = self._rest
        rest += chunk
        while True:
            start = rest.find(HEADER)
            del rest[: len(rest) if start < 0 else start]
            if len(rest) < FRAME_BYTES:
                return
            if sum(rest[: FRAME_BYTES - 1]) & 0xFF == rest[FRAME_BYTES - 1]:
                self._newest.append(rest[1] << 8 | rest[2])
                del rest[:FRAME_BYTES]
            else:
                self.unreadable += 1
                del rest[0]

    def take_sample(self) -> Sample:
        """The median, when most frames had an echo within the range."""
        frames, (least, most) = list(self._newest), self._range_mm
        self._newest.clear()
        if not frames:
            raise RetryLaterError("no frame could be read")
        heard = [mm for mm in frames if least <= mm <= most]
        if 2 * len(heard) <= len(frames):
            raise RetryLaterError(f"no echo from {least} to {most} mm")
        return Sample({"distance_mm": statistics.median_low(heard)})

    def reset(self) -> None:
        """Discard incomplete input."""
        self._rest.clear()
        self._newest.clear()


def open_sensor(assignment: Assignment) -> Sensor:
    """A sensor on the port in `--source`."""
    options = options_of(assignment.source, UltrasonicUartOptions)
    path = serial_path(assignment.source)
    return StreamedSensor(
        lambda: SerialStream(path, options.baud),
        UltrasonicFrameDecoder(RANGES_MM[options.model]),
        DriverStatus("ultrasonic-uart", assignment.device),
        interval_s=assignment.interval_s,
        request=bytes.fromhex(options.ask),
        ask_every_s=ASK_EVERY_S,
    )
