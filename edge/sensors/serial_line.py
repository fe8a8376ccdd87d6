"""A serial port as a byte stream: UART pins, RS-232, USB adapters."""

from __future__ import annotations

import errno
import termios
from typing import Annotated, Final

from msgspec import Meta
from serial import PARITY_NONE, Serial

from city.errors import ConfigError
from edge.sensors.source import SourceSpec

READ_S: Final = 0.5
WRITE_S: Final = 1.0

Baud = Annotated[int, Meta(ge=300, le=4_000_000)]


class SerialStream:
    """An open port, with exclusive access."""

    def __init__(self, path: str, baud: int) -> None:
        """Open the port.

        Raises:
            OSError: It is absent, busy, or no serial port.
        """
        try:
            self._port = Serial(path, baud, parity=PARITY_NONE, timeout=READ_S, write_timeout=WRITE_S, exclusive=True)
        except (ValueError, termios.error) as exc:
            raise OSError(errno.ENOTTY, f"not a serial port of {baud} baud", path) from exc

    def read(self) -> bytes:
        """All bytes that have arrived; waits half a second for the first one."""
        return self._port.read(max(1, self._port.in_waiting))

    def write(self, request: bytes) -> None:
        """Send bytes."""
        self._port.write(request)

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def serial_path(source: SourceSpec) -> str:
    """The port in `--source`.

    Raises:
        ConfigError: None is named.
    """
    if not source.address:
        raise ConfigError("--source: name the serial port, /dev/ttyUSB0 or /dev/serial0")
    return source.address
