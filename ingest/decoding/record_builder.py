"""Builds records from decoded values, own and third-party alike: time, geometry and position are validated here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from city.inventory.model import Bin, City, Device, SensorGeometry
from ingest.decoding.validation import FillGauge, check_position, merge_flags, resolve_timestamp
from ingest.store.records import Reading, RecordOrigin
from ingest.store.schema import to_columns

_ANY_SENSOR: Final = SensorGeometry()


class RecordBuilder:
    """Knows the containers' geometry, and when a record is late.

    Args:
        city: The inventory.
        late_after: Age on arrival from which on a record gets the quality flag `late`.
    """

    def __init__(self, city: City, late_after: timedelta) -> None:
        self._city = city
        self._late_after = late_after
        self._gauges: dict[str, FillGauge] = {}

    def origin(
        self, device: Device, epoch: str, seq: int, device_at: datetime | None, received_at: datetime
    ) -> RecordOrigin:
        """Source and times of a record; `device_at` is the device's clock in UTC, None when it gave no time."""
        timing = resolve_timestamp(device_at, received_at, late_after=self._late_after)
        return RecordOrigin(
            device.KIND, device.id, epoch, seq, timing.measured_at, received_at, timing.device_at, timing.quality
        )

    def reading(
        self,
        device: Device,
        origin: RecordOrigin,
        values: dict[str, Any],
        flags: tuple[str, ...] = (),
        sensor: SensorGeometry = _ANY_SENSOR,
        fix_age: timedelta | None = None,
    ) -> Reading:
        """A reading of contract fields.

        Args:
            device: In the inventory.
            origin: Its source and times.
            values: Fields of the contract, each valid by itself.
            flags: Quality flags that are known already.
            sensor: Dead zone and range of the sensor.
            fix_age: Age of the position fix at the time of measurement; None when unknown.
        """
        fill_flags: tuple[str, ...] = ()
        if isinstance(device, Bin):
            values, fill_flags = self._gauge(device, sensor).apply(values)
        values, position_flags = check_position(values, fix_age)
        if flags or fill_flags or position_flags:
            quality = merge_flags(origin.quality, flags, fill_flags, position_flags)
            origin = msgspec.structs.replace(origin, quality=quality)
        return Reading(origin, to_columns(origin.kind, values))

    def gauge(self, device: Bin) -> FillGauge:
        """The fill gauge of a container whose sensor has no limits of its own."""
        gauge = self._gauges.get(device.model)
        if gauge is None:
            gauge = self._gauges[device.model] = FillGauge(self._city.models[device.model])
        return gauge

    def _gauge(self, device: Bin, sensor: SensorGeometry) -> FillGauge:
        return self.gauge(device) if sensor is _ANY_SENSOR else FillGauge(self._city.models[device.model], sensor)
