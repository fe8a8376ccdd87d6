"""The names that people use of an alarm's device, case or site, and of where it is."""

from __future__ import annotations

from typing import Final

from city.inventory.model import City
from dispatch.alarms.conditions import PLATFORM
from dispatch.alarms.service import Alarm
from ingest.store.views.device_condition import name_of

ALL_DEVICES: Final = "*"
"""Subject of an alarm about the messages of all devices."""


def subject_name(city: City, alarm: Alarm) -> str:
    """The name that people use of a device, site or case; empty for the platform."""
    if device := city.devices.get(alarm.subject):
        return name_of(device)
    site = city.sites.get(alarm.subject if alarm.subject_kind == "site" else alarm.site)
    if alarm.subject_kind in ("site", "case") and site:
        return site.name
    return "" if alarm.subject in (PLATFORM, ALL_DEVICES) else alarm.subject


def place_words(city: City, alarm: Alarm) -> str:
    """Subject, site and kelurahan, each once; empty for the platform."""
    site, kelurahan = city.sites.get(alarm.site), city.kelurahan.get(alarm.kelurahan)
    names = (site.name if site else "", kelurahan.name if kelurahan else alarm.kelurahan)
    parts = (subject_name(city, alarm), *names)
    return ", ".join(dict.fromkeys(part for part in parts if part))
