"""Gives the newest snapshot of the inventory to all parts of a process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from city.inventory.model import City, Device


class InventoryProvider(Protocol):
    """Where a part of a service asks for the inventory; any thread may, at any time.

    Who needs several facts of one moment asks once and keeps the snapshot as long as the work takes. Who keeps
    something made from a snapshot compares the `version` of snapshots of one provider, nothing else.
    """

    def current(self) -> City:
        """The newest snapshot; costs nothing and never blocks."""


class LiveInventory:
    """The inventory of a running process: one thread replaces its devices, every thread reads it."""

    def __init__(self, city: City) -> None:
        self._city = city

    def current(self) -> City:
        """The newest snapshot."""
        return self._city

    def replace_devices(self, devices: Mapping[str, Device]) -> bool:
        """Publish a snapshot with exactly these devices; returns whether they are others than before."""
        if devices == self._city.devices:
            return False
        self._city = self._city.with_devices(devices)
        return True
