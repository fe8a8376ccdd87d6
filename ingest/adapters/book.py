"""Which device of the inventory another maker's name stands for, and how its messages are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from city.model import City, Device, Profile


class AddressBook:
    """An index of the inventory's addresses, upper and lower case alike; made anew when the city's devices change."""

    def __init__(self, city: City) -> None:
        """Index what the city has."""
        self._city = city
        self._devices: Mapping[str, Device] = {}
        self._index: dict[tuple[str, str], Device] = {}
        self._renew()

    def _renew(self) -> None:
        self._devices = self._city.devices
        self._index = {
            (device.binding.adapter, device.binding.address.lower()): device
            for device in self._devices.values()
            if device.binding
        }

    def find(self, adapter: str, names: Iterable[str]) -> tuple[Device, Profile] | None:
        """The device under the first known of several names, and how to read it; None when none is known."""
        if self._devices is not self._city.devices:
            self._renew()
        for name in names:
            device = self._index.get((adapter, name.lower()))
            if device is not None and device.binding is not None:
                return device, self._city.profiles[device.binding.profile]
        return None

    def addresses(self) -> list[str]:
        """Every address that is known."""
        if self._devices is not self._city.devices:
            self._renew()
        return [address for _, address in self._index]

    def all_of(self, adapter: str, beneath: str = "") -> list[Device]:
        """Every device of an adapter whose address begins so."""
        if self._devices is not self._city.devices:
            self._renew()
        start = beneath.lower()
        return [one for (name, address), one in self._index.items() if name == adapter and address.startswith(start)]
