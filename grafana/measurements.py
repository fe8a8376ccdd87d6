"""The measurements that dashboards query: retention policy, fields and tags of each, from the store's schema."""

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
"""Fields that the store writes with every reading and event, in addition to the measured fields."""


class Measurement(msgspec.Struct, frozen=True):
    """One measurement in one retention policy, with the fields and tags that a query can read."""

    name: str
    policy: Policy
    fields: frozenset[str]
    tags: frozenset[str]

    @property
    def path(self) -> str:
        """The measurement in a FROM clause."""
        return f'"{self.policy}"."{self.name}"' if self.policy else f'"{self.name}"'


def _all() -> dict[tuple[Policy, str], Measurement]:
    measurements = [
        Measurement(kind, RAW, frozenset((*COLUMNS[kind], *STAMP_FIELDS)), frozenset(DEVICE_TAGS)) for kind in KINDS
    ]
    for kind in KINDS:
        parts = frozenset(f"{field}_{part}" for field in numeric_fields(kind) for part in ROLLUP_PARTS)
        measurements.append(Measurement(kind, ROLLUP, parts, frozenset(DEVICE_TAGS)))
    for kind in AREA_KINDS:
        # The last value of an area would be that of any one of its devices.
        parts = frozenset(f"{f}_{part}" for f in numeric_fields(kind) for part in ROLLUP_PARTS if part != "last")
        measurements.append(Measurement(f"{kind}_area", ROLLUP, parts, frozenset(AREA_TAGS)))
    events = frozenset(("state", "detail", *STAMP_FIELDS))
    measurements.append(Measurement("event", EVENTS, events, frozenset((*DEVICE_TAGS, "kind", "type"))))
    statuses = frozenset(("state", "reason", "said_at", "next_s", "firmware", "model"))
    measurements.append(Measurement("status", RAW, statuses, frozenset((*DEVICE_TAGS, "kind"))))
    measurements += [Measurement(name, policy, frozenset(f), frozenset(t)) for name, (policy, t, f) in DERIVED.items()]
    return {(measurement.policy, measurement.name): measurement for measurement in measurements}


MEASUREMENTS: Final = _all()
"""By retention policy and name."""

DEVICE_STATE: Final = MEASUREMENTS[RAW, "device_state"]
AREA_STATE: Final = MEASUREMENTS[RAW, "area_state"]
CLIENT_STATE: Final = MEASUREMENTS[RAW, "client_state"]
TOP_CLIENT: Final = MEASUREMENTS[RAW, "top_client"]
TRUCK: Final = MEASUREMENTS[RAW, "truck"]
PLATFORM: Final = MEASUREMENTS[RAW, "platform"]
ALARM_FLAG: Final = MEASUREMENTS[RAW, "alarm_flag"]
DUMPING_CASE: Final = MEASUREMENTS[EVENTS, "dumping_case"]
EVENT: Final = MEASUREMENTS[EVENTS, "event"]
STATUS: Final = MEASUREMENTS[RAW, "status"]
TRUCK_5M: Final = MEASUREMENTS[ROLLUP, "truck"]
AP_5M: Final = MEASUREMENTS[ROLLUP, "ap"]
BIN_AREA_5M: Final = MEASUREMENTS[ROLLUP, "bin_area"]
AP_AREA_5M: Final = MEASUREMENTS[ROLLUP, "ap_area"]
