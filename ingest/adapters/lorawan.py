"""What the LoRaWAN network servers' formats share: EUIs, raw payloads and the strongest gateway."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from broker.contract.errors import PayloadError
from ingest.adapters.port import Frame, Presence, parse_number

_WEAKEST_DBM: Final = -200
_STRONGEST_DBM: Final = 20


def frame_of_base64(port: object, text: object) -> Frame | None:
    """The device's own bytes out of base64; None when there are none.

    Raises:
        PayloadError: The text is no base64.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise PayloadError(f"the payload is no base64: {exc}") from exc
    return Frame(port_of(port), data)


def frame_of_hex(port: object, text: object) -> Frame | None:
    """The device's own bytes out of hexadecimal digits; None when there are none.

    Raises:
        PayloadError: The text is not hexadecimal.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError as exc:
        raise PayloadError(f"the payload is not hexadecimal: {exc}") from exc
    return Frame(port_of(port), data)


def port_of(value: object) -> int:
    """An fPort; 0 when it is absent, as encoders leave out a zero."""
    number = parse_number(value)
    return int(number) if number is not None and 0 <= number <= 255 else 0  # noqa: PLR2004 - one byte


def strongest(receptions: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The signal at the gateway that heard it best, as a field of the contract."""
    found = [rssi for one in receptions if (rssi := parse_number(one.get("rssi"))) is not None]
    plausible = [rssi for rssi in found if _WEAKEST_DBM <= rssi <= _STRONGEST_DBM and rssi != 0]
    return {"rssi_dbm": max(plausible)} if plausible else {}


def presence_by(frame: Frame | None, fields: Mapping[str, Any]) -> Presence | None:
    """An uplink that carries nothing, as of a device that asks whether there is something for it, says it is there."""
    return None if frame or fields else Presence("online")


def uplink_key(counter: object, frame: Frame | None, payload: bytes) -> bytes:
    """What tells two uplinks of one moment apart: the frame counter and the device's bytes, else the whole message.

    A network server may send the same uplink again in another envelope.
    """
    if counter is None and frame is None:
        return payload
    return f"{counter}/".encode() + (frame.data if frame else b"")
