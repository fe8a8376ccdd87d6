"""What routes and pages share of unknown devices: the suggested profile, and how much of a payload is shown."""

from __future__ import annotations

from typing import Final

from api.context import ApiContext
from city.inventory.profiles import is_match, suggest
from ingest.store.parked.quarantine import UnknownDevice

PAYLOAD_SHOWN: Final = 4_000
"""Bytes."""


def suggested_profile(context: ApiContext, device: UnknownDevice) -> str:
    """The id of the profile that matches the device's model, or of the only possible one; empty if neither exists."""
    fitting = suggest(context.city.profiles.values(), device.adapter, device.model)
    matching = [profile for profile in fitting if is_match(profile, device.model)]
    chosen = matching[:1] or (fitting if len(fitting) == 1 else [])
    return chosen[0].id if chosen else ""
