"""Units of the contract's fields, by the suffix of their names; one table for pages, dashboards and documents."""

from __future__ import annotations

from typing import Final

SYMBOLS: Final[dict[str, str]] = {
    "pct": "%",
    "mm": "mm",
    "km": "km",
    "kmh": "km/h",
    "kg": "kg",
    "c": "°C",
    "deg": "°",
    "v": "V",
    "dbm": "dBm",
    "ms": "ms",
    "s": "s",
    "kbps": "kbit/s",
    "bytes": "B",
    "h": "h",
    "l": "l",
    "rpm": "1/min",
}

UNITLESS: Final = frozenset(
    {
        "lid_open",
        "hdop",
        "ignition",
        "pto",
        "fault_codes",
        "clients",
        "clients_by_radio",
        "clients_by_ssid",
        "fps",
        "dropped_frames",
        "scene_ok",
        "scene",
        "reconnects",
        "satellites",
        "lift_arm",
        "tailgate_open",
    }
)

COUNTERS: Final = frozenset(
    {
        "rx_bytes",
        "tx_bytes",
        "dropped_frames",
        "uptime_s",
        "odometer_km",
        "blind_s",
        "reconnects",
        "engine_h",
        "fuel_used_l",
    }
)
"""Fields that only grow until their device restarts; charts show their increase."""


def unit_of(field: str) -> str:
    """The unit symbol of a contract field, empty when it has none.

    Raises:
        KeyError: The name ends in no known unit and is not listed as unitless.
    """
    if field in UNITLESS:
        return ""
    return SYMBOLS[field.rsplit("_", 1)[-1]]
