"""Sequence ids of third-party records: repeatable, so that a message that comes again is stored once.

A reading has the format's name as its epoch. An event has an epoch of its own for each type, so that one message may
raise several.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from broker.contract.topics import Kind

SEQ_HASH_BITS: Final = 22
_SEQ_EPOCH_S: Final = 946_684_800
_SEQ_SECONDS_MAX: Final = (1 << 31) - 1

NUMBERED_EVENTS: Final[Mapping[Kind, Mapping[str, int]]] = {
    "bin": {"fire": 0, "tilt": 1, "lid_open": 2, "collected": 3, "moved": 4, "low_battery": 5, "tamper": 6},
    "truck": {"breakdown": 0, "panic": 1, "collected": 2, "harsh_braking": 3, "power_cut": 4, "tamper": 5}
    | {"harsh_acceleration": 6, "harsh_cornering": 7, "overspeed": 8, "tow": 9, "jamming": 10, "low_battery": 11}
    | {"accident": 12, "fuel_leak": 13, "door": 14, "geofence_enter": 15, "geofence_exit": 16},
    "ap": {"rogue_ap": 0, "quota_exceeded": 1, "reboot": 2, "tamper": 3, "session": 4},
    "camera": {"dumping": 0, "deposit": 1, "blind": 2, "covered": 3, "moved": 4, "tamper": 5, "review": 6}
    | {"motion": 7, "object": 8, "intrusion": 9, "line_crossed": 10, "activity": 11},
}
"""Types whose epoch ends in a number. Stored events have it, so this table never changes; a newer type has its name."""


def event_epoch(adapter: str, kind: Kind, type_: str) -> str:
    """The epoch of a third-party event: the format, and the number or the name of the type."""
    number = NUMBERED_EVENTS[kind].get(type_)
    return f"{adapter}-{type_}" if number is None else f"{adapter}{number}"


def derive_seq(at: datetime, key: bytes) -> int:
    """Derive a seq for a device that has none: repeatable for the same message, distinct within one moment.

    High bits: seconds since 2000. Low 22 bits: a checksum over time and key. Fits the contract's 2^53.
    """
    at_s = at.timestamp()
    seconds = min(max(0, int(at_s) - _SEQ_EPOCH_S), _SEQ_SECONDS_MAX)
    checksum = zlib.crc32(key, zlib.crc32(f"{at_s:.3f}/".encode()))
    return (seconds << SEQ_HASH_BITS) | (checksum & ((1 << SEQ_HASH_BITS) - 1))
