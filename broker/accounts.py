"""The present accounts of a city: inventory and adopted devices, gateways, services."""

from __future__ import annotations

from collections.abc import Mapping

from broker.access import Rights, rights_table
from city.inventory.device_topics import own_topics
from city.inventory.model import City, Device
from city.runtime.gateways import Gateways
from city.runtime.secrets import Secrets


class CurrentRights:
    """The table of rights, rebuilt when the city's devices or the gateways change."""

    def __init__(self, city: City, gateways: Gateways, *, demo: bool) -> None:
        self._city = city
        self._gateways = gateways
        self._demo = demo
        self._seen: tuple[Mapping[str, Device] | None, object] = (None, None)
        self._table: Mapping[str, Rights] = {}

    def __call__(self) -> Mapping[str, Rights]:
        """The table as it is now."""
        devices, gateways = self._city.devices, self._gateways.current()
        if devices is not self._seen[0] or gateways is not self._seen[1]:
            kinds = {id_: device.KIND for id_, device in devices.items()}
            filters = {name: one.filters for name, one in gateways.items()}
            own = {id_: own_topics(device.binding) for id_, device in devices.items()}
            self._table = rights_table(self._city.id, kinds, demo=self._demo, gateways=filters, own_foreign=own)
            self._seen = (devices, gateways)
        return self._table


def password_of(secrets: Secrets, gateways: Gateways, user: str) -> str:
    """The password of any account."""
    gateway = gateways.current().get(user)
    return secrets.gateway_password(gateway.name, gateway.nonce) if gateway else secrets.password(user)
