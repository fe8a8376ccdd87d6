"""Finds the inventory's device, and its profile, by a third-party address."""

from __future__ import annotations

from collections.abc import Iterable

from city.inventory.addresses import address_key
from city.inventory.model import City, Device, Profile


class DeviceAddressIndex:
    """An index of the addresses of one snapshot of the inventory, in one spelling of each."""

    def __init__(self, city: City) -> None:
        self._profiles = city.profiles
        self._index = {
            (device.binding.adapter, address_key(device.binding.adapter, device.binding.address)): device
            for device in city.devices.values()
            if device.binding
        }

    def find(self, adapter: str, names: Iterable[str]) -> tuple[Device, Profile] | None:
        """The device and profile of the first name that is in the inventory; None when none is."""
        for name in names:
            # Most names come in their normal form.
            device = self._index.get((adapter, name.lower())) or self._index.get((adapter, address_key(adapter, name)))
            if device is not None and device.binding is not None:
                return device, self._profiles[device.binding.profile]
        return None

    def addresses(self) -> list[str]:
        """Every address in the inventory."""
        return [address for _, address in self._index]

    def all_of(self, adapter: str, address_prefix: str = "") -> list[Device]:
        """Every device of an adapter whose address starts with `address_prefix`."""
        prefix = address_prefix.lower()
        return [
            device for (name, address), device in self._index.items() if name == adapter and address.startswith(prefix)
        ]
