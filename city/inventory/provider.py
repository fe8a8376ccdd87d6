"""Gives the newest snapshot of the inventory to all parts of a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Protocol

from city.inventory.model import City, Codec, Device, Profile


class InventoryProvider(Protocol):
    """Where a part of a service asks for the inventory; any thread may, at any time.

    Who needs several facts of one moment asks once and keeps the snapshot as long as the work takes. Who keeps
    something made from a snapshot compares the `version` of snapshots of one provider, nothing else.
    """

    def current(self) -> City:
        """The newest snapshot; costs nothing and never blocks."""


class LiveInventory:
    """The inventory of a running process: one thread replaces it, every thread reads it."""

    def __init__(self, city: City) -> None:
        self._city = city

    def current(self) -> City:
        """The newest snapshot."""
        return self._city

    def publish(
        self,
        devices: Mapping[str, Device],
        profiles: Mapping[str, Profile] | None = None,
        codecs: Mapping[str, Codec] | None = None,
    ) -> bool:
        """Publish a snapshot with exactly these; returns whether it differs from the one before.

        Args:
            devices: All devices.
            profiles: All profiles; None keeps those of the snapshot.
            codecs: All codecs; None keeps those of the snapshot.
        """
        return self.publish_city(self._city.with_devices(devices, profiles, codecs))

    def publish_city(self, city: City) -> bool:
        """Publish a whole city under the next version; returns whether it differs from the one before."""
        before = self._city
        if _content(city) == _content(before):
            return False
        self._city = replace(city, version=before.version + 1)
        return True


def _content(city: City) -> list[object]:
    """All fields but the version."""
    return [getattr(city, field.name) for field in fields(city) if field.init and field.name != "version"]
