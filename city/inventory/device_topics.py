"""Formats that devices publish themselves, without a third-party server: topics that name the device.

Where it does, the device's own account opens these topics, for it alone; no account has to be shared among devices.
The topics are data beside the format's adapter (`device_topics.toml`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Final

from city.inventory.model import Binding
from city.inventory.profiles import FORMATS

_ADDRESS: Final = "{address}"

OWN_TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    path.parent.name: tuple(tomllib.loads(path.read_text(encoding="utf-8"))["filters"])
    for path in sorted(FORMATS.glob("*/device_topics.toml"))
}
"""Format to topic filters with a place for the address."""


def own_topics(binding: Binding | None) -> tuple[str, ...]:
    """Topic filters with a device's address; none if a server publishes for it, or it has no binding.

    An address that would widen a filter (a wildcard, a level that is the contract's own) opens nothing.
    """
    if (
        binding is None
        or {"+", "#", "\0"} & set(binding.address)
        or binding.address.split("/")[0] in ("", "kota", "$kota")
    ):
        return ()
    return tuple(topic.replace(_ADDRESS, binding.address) for topic in OWN_TOPICS.get(binding.adapter, ()))
