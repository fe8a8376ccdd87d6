"""The tags of a device's points: what it is and where it stands, never what it measures."""

from __future__ import annotations

from city.model import Bin, City


def tags_of_device(city: City, device_id: str) -> dict[str, str]:
    """Tag to value by the inventory; of a device that is not in it, the city and its id."""
    device = city.devices.get(device_id)
    tags = {"city": city.id, "device": device_id}
    if device is not None:
        tags |= {"kelurahan": device.kelurahan, "site": device.site}
    if isinstance(device, Bin):
        tags["waste_kind"] = device.waste_kind
    return tags
