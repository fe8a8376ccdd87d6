"""The present accounts of a city: inventory and adopted devices, gateways, services."""

from __future__ import annotations

from collections.abc import Mapping

from broker.access import Rights, rights_table
from city.inventory.device_topics import own_topics
from city.inventory.provider import InventoryProvider
from city.runtime.gateways import Gateways
from city.runtime.secrets import Secrets


class CurrentRights:
    """The table of rights, rebuilt when the inventory or the gateways change."""

    def __init__(self, inventory: InventoryProvider, gateways: Gateways, *, demo: bool) -> None:
        self._inventory = inventory
        self._gateways = gateways
        self._demo = demo
        self._seen: tuple[int, object] = (0, None)
        self._table: Mapping[str, Rights] = {}

    def __call__(self) -> Mapping[str, Rights]:
        """The table as it is now."""
        city, gateways = self._inventory.current(), self._gateways.current()
        if city.version != self._seen[0] or gateways is not self._seen[1]:
            kinds = {id_: device.KIND for id_, device in city.devices.items()}
            filters = {name: gateway.filters for name, gateway in gateways.items()}
            own = {id_: own_topics(device.binding) for id_, device in city.devices.items()}
            self._table = rights_table(city.id, kinds, demo=self._demo, gateways=filters, own_foreign=own)
            self._seen = (city.version, gateways)
        return self._table


def password_of(secrets: Secrets, gateways: Gateways, user: str) -> str:
    """The password of any account."""
    gateway = gateways.current().get(user)
    return secrets.gateway_password(gateway.name, gateway.nonce) if gateway else secrets.password(user)
