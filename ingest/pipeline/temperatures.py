"""Judges a container's temperature by the one before: a lone jump into heat is no fire yet."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from ingest.decoding.validation import merge_flags
from ingest.store.record_batch import ReadingColumns
from ingest.store.records import QUALITY_UNCONFIRMED, Reading
from ingest.store.views.device_condition import HOT_C

HEAT_STEP_C: Final = 25.0
"""Rise of temperature from one reading to the next that is believed also where it ends in heat.

Sensors send codes for no measurement that lie within their range, as 85.0 °C after a start; a fire reads hot twice.
"""


class TemperatureSample(msgspec.Struct, frozen=True):
    """The last temperature of a device, believed or not."""

    at: datetime
    celsius: float


def hot_devices(columns: ReadingColumns) -> set[str]:
    """The devices with a temperature that only the one before can confirm."""
    temperatures = columns.values.get("temperature_c", ())
    return {
        device
        for device, celsius in zip(columns.devices, temperatures, strict=False)
        if celsius is not None and celsius >= HOT_C
    }


def is_lone_heat(before: TemperatureSample | None, celsius: float) -> bool:
    """Whether a temperature is that of a fire, and the one before does not lead to it."""
    if celsius < HOT_C:
        return False
    return before is None or (before.celsius < HOT_C and celsius - before.celsius > HEAT_STEP_C)


def without_temperature(reading: Reading) -> Reading:
    """A reading without its temperature, and with the reason."""
    quality = merge_flags(reading.origin.quality, (QUALITY_UNCONFIRMED,))
    values = {name: value for name, value in reading.values.items() if name != "temperature_c"}
    return Reading(msgspec.structs.replace(reading.origin, quality=quality), values)
