"""GPS receivers read by gpsd, over its JSON protocol on TCP.

Implemented here: the protocol is one request and a line of JSON per report. Client libraries lack what a driver needs
besides (leaving on `stop`, reconnecting to gpsd); the smallest has had no release since January 2023.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from city.errors import RetryLaterError
from edge.sensors.driver_status import DriverStatus, valid_values
from edge.sensors.port import Assignment, Sensor
from edge.sensors.source import host_and_port, options_of
from edge.sensors.streamed import Sample, StreamedSensor

PORT: Final = 2947
CONNECT_S: Final = 1.0
READ_S: Final = 0.5
LINE_MAX_BYTES: Final = 65_536
"""gpsd's own limit of a report is 10,240 bytes."""
KMH_PER_MPS: Final = 3.6
ESTIMATED: Final = (5, 6, 8)
"""TPV's status: dead reckoning, with satellites, simulated. Source: gpsd_json(5)."""
FIX_2D: Final = 2
SKY_FIXES: Final = 10
"""Fixes for which a sky view is valid; gpsd sends it less often than positions."""


class GpsdOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`. `receiver` selects one where gpsd reads several, `/dev/ttyUSB0`."""

    receiver: str = ""


class Satellite(msgspec.Struct, frozen=True):
    """A satellite of a sky view."""

    used: bool = False


class Report(msgspec.Struct, frozen=True):
    """Fields in use of gpsd's reports TPV and SKY. `u_sat` and `h_dop` are SKY's."""

    class_: str = msgspec.field(name="class", default="")
    device: str = ""
    mode: int = 0
    status: int = 0
    time: datetime | None = None
    lat: float | None = None
    lon: float | None = None
    speed: float | None = None
    track: float | None = None
    hdop: float | None = None
    u_sat: int | None = msgspec.field(name="uSat", default=None)
    satellites: list[Satellite] | None = None


class TcpStream:
    """A TCP connection with short read timeouts.

    Args:
        host: The host.
        port: The port.
    """

    def __init__(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            OSError: Nobody listens there.
        """
        self._socket = socket.create_connection((host, port), timeout=CONNECT_S)
        self._socket.settimeout(READ_S)

    def read(self) -> bytes:
        """Bytes that have arrived; empty after the timeout."""
        try:
            chunk = self._socket.recv(LINE_MAX_BYTES)
        except TimeoutError:
            return b""
        if not chunk:
            raise ConnectionResetError("gpsd has closed the connection")
        return chunk

    def write(self, request: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(request)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class GpsdDecoder:
    """Decodes gpsd's reports into positions.

    Args:
        receiver: Receiver whose reports count; empty for all.
    """

    def __init__(self, receiver: str) -> None:
        self.unreadable = 0
        self._receiver = receiver
        self._rest = b""
        self._fix: Report | None = None
        self._sky: Report | None = None
        self._sky_fixes = 0

    def feed(self, chunk: bytes) -> None:
        """Add bytes; a report is a line."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-LINE_MAX_BYTES:]
        for line in filter(None, map(bytes.strip, lines)):
            try:
                report = msgspec.json.decode(line, type=Report)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.unreadable += 1
                continue
            if not self._receiver or report.device == self._receiver:
                self._keep(report)

    def _keep(self, report: Report) -> None:
        if report.class_ == "TPV":
            self._fix = report
            self._sky_fixes += 1
        elif report.class_ == "SKY" and (report.hdop is not None or report.satellites or report.u_sat is not None):
            self._sky = report  # gpsd sends some with nothing but times of a fix
            self._sky_fixes = 0

    def take_sample(self) -> Sample:
        """The newest fix and its time."""
        fix, sky = self._fix, self._sky if self._sky_fixes <= SKY_FIXES else None
        self._fix = None
        if fix is None:
            raise RetryLaterError("gpsd says nothing of this receiver")
        position = {"lat_deg": fix.lat, "lon_deg": fix.lon}
        if fix.mode < FIX_2D or fix.status in ESTIMATED or valid_values("truck", position) != position:
            raise RetryLaterError("the receiver has no fix")
        values: dict[str, Any] = {**position, "heading_deg": fix.track}
        if fix.speed is not None:
            values["speed_kmh"] = round(fix.speed * KMH_PER_MPS, 2)
        if sky is not None:
            values |= {"hdop": sky.hdop, "satellites": _satellites_used(sky)}
        return Sample(values, fix.time if fix.time is None or fix.time.tzinfo else fix.time.replace(tzinfo=UTC))

    def reset(self) -> None:
        """Discard incomplete input."""
        self._rest = b""
        self._fix = self._sky = None


def _satellites_used(sky: Report) -> int | None:
    """Number of satellites in the fix; older gpsd only marks each satellite."""
    if sky.u_sat is not None or sky.satellites is None:
        return sky.u_sat
    return sum(satellite.used for satellite in sky.satellites)


def open_sensor(assignment: Assignment) -> Sensor:
    """The gpsd at `--source`; this machine's when it is empty."""
    options = options_of(assignment.source, GpsdOptions)
    host, port = host_and_port(assignment.source.address or "127.0.0.1", PORT)
    watch = {"enable": True, "json": True, **({"device": options.receiver} if options.receiver else {})}
    return StreamedSensor(
        lambda: TcpStream(host, port),
        GpsdDecoder(options.receiver),
        DriverStatus("gpsd", assignment.device),
        interval_s=assignment.interval_s,
        request=b"?WATCH=" + msgspec.json.encode(watch) + b";\n",
    )
