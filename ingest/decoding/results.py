"""The outcome of decoding one message."""

from __future__ import annotations

from typing import Final

import msgspec

from broker.contract.payloads import Rejected
from ingest.decoding.formats.port import Hint
from ingest.store.records import Record

DEAD_LETTERS_MAX: Final = 100
"""Dead letters and unknown devices that one message may produce; an agent's batch has as many readings."""


class UnknownDeviceMessage(msgspec.Struct, frozen=True):
    """A message, or one record of it, of a device that is not in the inventory."""

    adapter: str
    names: tuple[str, ...]
    raw: bytes
    hint: Hint
    frame_port: int | None = None


class DecodeResult(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one message. `ignored`: the message is valid and carries nothing to store.

    `unknown_fields` are names of fields that the contract does not know. `unknown_devices` are messages of devices that
    are not in the inventory.
    """

    records: list[Record]
    rejected: list[Rejected]
    unknown_fields: tuple[str, ...] = ()
    ignored: bool = False
    unknown_devices: list[UnknownDeviceMessage] = []
