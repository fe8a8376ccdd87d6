"""OwnTracks: locations of phones and trackers in trucks.

Topic `owntracks/{user}/{device}`; many sorts of message come on it, told apart by `_type`.
Source: OwnTracks booklet, "JSON".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from broker.contract.codec import decode_json
from broker.contract.errors import PayloadError
from ingest.adapters.port import AddressBook, Foreign, parse_epoch_s, parse_number, read_fields, stamp

_SEGMENTS: Final = 3
_SILENT_TYPES: Final = frozenset(
    {
        "lwt",
        "transition",
        "waypoint",
        "waypoints",
        "card",
        "cmd",
        "configuration",
        "dump",
        "encrypted",
        "steps",
        "status",
    }
)
_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class OwnTracks:
    """Locations become readings; the other sorts carry none."""

    name = "owntracks"
    filters = ("owntracks/+/+",)

    def claims(self, topic: str) -> bool:
        """Whether a topic is a device's."""
        parts = topic.split("/")
        return len(parts) == _SEGMENTS and parts[0] == "owntracks"

    def decode(self, topic: str, payload: bytes, book: AddressBook) -> list[Foreign]:
        """One reading per location.

        Raises:
            PayloadError: Not OwnTracks JSON, an unknown device, or a location without position or time.
        """
        body = decode_json(_decoder, payload)
        sort = body.get("_type")
        if isinstance(sort, str) and sort in _SILENT_TYPES:
            return []
        if sort != "location":
            raise PayloadError(f"`_type` is {sort!r}, not one that OwnTracks sends")
        device, profile = book.find(self.name, [topic.removeprefix("owntracks/")])
        at = parse_epoch_s(body.get("tst"))
        if at is None:
            raise PayloadError(f"a location without a time: `tst` is {body.get('tst')!r}")
        if parse_number(body.get("lat")) is None or parse_number(body.get("lon")) is None:
            raise PayloadError(f"a location without a position: lat {body.get('lat')!r}, lon {body.get('lon')!r}")
        values, invalid = read_fields(profile, body)
        return [Foreign(device.id, profile.kind, self.name, stamp(at, payload), at, values, invalid)]
