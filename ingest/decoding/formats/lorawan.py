"""Helpers shared by the LoRaWAN network servers' formats: EUIs, raw payloads, the strongest gateway."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.parsing import parse_number
from ingest.decoding.formats.port import ConnectivityReport, RawFrame

_WEAKEST_DBM: Final = -200
_STRONGEST_DBM: Final = 20


def frame_of_base64(port: object, text: object) -> RawFrame | None:
    """The device's raw frame from base64; None when it is absent.

    Raises:
        PayloadError: The text is not base64.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise PayloadError(f"the payload is no base64: {exc}") from exc
    return RawFrame(port_of(port), data)


def frame_of_hex(port: object, text: object) -> RawFrame | None:
    """The device's raw frame from hexadecimal digits; None when it is absent.

    Raises:
        PayloadError: The text is not hexadecimal.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError as exc:
        raise PayloadError(f"the payload is not hexadecimal: {exc}") from exc
    return RawFrame(port_of(port), data)


def port_of(value: object) -> int:
    """The fPort; 0 when absent, because encoders omit zeros."""
    number = parse_number(value)
    return int(number) if number is not None and 0 <= number <= 255 else 0  # noqa: PLR2004 - one byte


def strongest(receptions: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """RSSI at the gateway with the strongest signal, as a field of the contract."""
    rssis_dbm = [rssi_dbm for reception in receptions if (rssi_dbm := parse_number(reception.get("rssi"))) is not None]
    plausible = [rssi_dbm for rssi_dbm in rssis_dbm if _WEAKEST_DBM <= rssi_dbm <= _STRONGEST_DBM and rssi_dbm != 0]
    return {"rssi_dbm": max(plausible)} if plausible else {}


def online_if_empty(frame: RawFrame | None, fields: Mapping[str, Any]) -> ConnectivityReport | None:
    """An empty uplink (a poll for downlinks) only proves that the device is online."""
    return None if frame or fields else ConnectivityReport("online")


def uplink_key(counter: object, frame: RawFrame | None, payload: bytes) -> bytes:
    """Idempotency key of an uplink: frame counter and frame, else the whole message.

    A network server may send the same uplink again in another envelope.
    """
    if counter is None and frame is None:
        return payload
    return f"{counter}/".encode() + (frame.data if frame else b"")
