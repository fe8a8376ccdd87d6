"""Tags of a device's points: its attributes in the inventory, never measured values."""

from __future__ import annotations

from city.inventory.model import Bin, City


def tags_of_device(city: City, device_id: str) -> dict[str, str]:
    """Tag to value by the inventory; city and device id alone for a device that is not in it."""
    device = city.devices.get(device_id)
    tags = {"city": city.id, "device": device_id}
    if device is not None:
        tags |= {"kelurahan": device.kelurahan, "site": device.site}
    if isinstance(device, Bin):
        tags["waste_kind"] = device.waste_kind
    return tags
