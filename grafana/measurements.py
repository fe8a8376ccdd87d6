"""What InfluxDB holds for boards: every measurement with its class, fields and tags, from the store's schema."""

from __future__ import annotations

from typing import Final

import msgspec

from broker.contract.topics import KINDS
from ingest.store.schema import (
    AREA_KINDS,
    AREA_TAGS,
    COLUMNS,
    DERIVED,
    DEVICE_TAGS,
    EVENTS,
    RAW,
    ROLLUP,
    ROLLUP_PARTS,
    Policy,
    numeric_fields,
)

STAMP_FIELDS: Final = ("seq", "boot", "received_at", "device_at", "quality")
"""What the store writes beside the measured fields of a reading or an event."""


class Measurement(msgspec.Struct, frozen=True):
    """One measurement of one retention class: what a query may name in it."""

    name: str
    policy: Policy
    fields: frozenset[str]
    tags: frozenset[str]

    @property
    def path(self) -> str:
        """The measurement as a query names it."""
        return f'"{self.policy}"."{self.name}"' if self.policy else f'"{self.name}"'


def _all() -> dict[tuple[Policy, str], Measurement]:
    found = [
        Measurement(kind, RAW, frozenset((*COLUMNS[kind], *STAMP_FIELDS)), frozenset(DEVICE_TAGS)) for kind in KINDS
    ]
    for kind in KINDS:
        parts = frozenset(f"{field}_{part}" for field in numeric_fields(kind) for part in ROLLUP_PARTS)
        found.append(Measurement(kind, ROLLUP, parts, frozenset(DEVICE_TAGS)))
    for kind in AREA_KINDS:
        # The last value of an area would be that of any one of its devices.
        parts = frozenset(f"{f}_{part}" for f in numeric_fields(kind) for part in ROLLUP_PARTS if part != "last")
        found.append(Measurement(f"{kind}_area", ROLLUP, parts, frozenset(AREA_TAGS)))
    events = frozenset(("state", "detail", *STAMP_FIELDS))
    found.append(Measurement("event", EVENTS, events, frozenset((*DEVICE_TAGS, "kind", "type"))))
    found += [Measurement(name, policy, frozenset(f), frozenset(t)) for name, (policy, t, f) in DERIVED.items()]
    return {(one.policy, one.name): one for one in found}


MEASUREMENTS: Final = _all()
"""By retention class and name."""

DEVICE_STATE: Final = MEASUREMENTS[RAW, "device_state"]
AREA_STATE: Final = MEASUREMENTS[RAW, "area_state"]
PLATFORM: Final = MEASUREMENTS[RAW, "platform"]
DUMPING_CASE: Final = MEASUREMENTS[EVENTS, "dumping_case"]
EVENT: Final = MEASUREMENTS[EVENTS, "event"]
TRUCK_5M: Final = MEASUREMENTS[ROLLUP, "truck"]
AP_5M: Final = MEASUREMENTS[ROLLUP, "ap"]
BIN_AREA_5M: Final = MEASUREMENTS[ROLLUP, "bin_area"]
AP_AREA_5M: Final = MEASUREMENTS[ROLLUP, "ap_area"]
