"""The embedded broker as a service, with the accounts of the city's devices."""

from __future__ import annotations

from collections.abc import Mapping

from broker.access import Accounts, Rights, rights_table
from broker.embedded import EmbeddedBroker
from city.model import City, Device
from city.runtime import Runtime


def serve(runtime: Runtime) -> None:
    """Run the broker until the runtime stops."""
    settings = runtime.settings
    accounts = Accounts(CurrentRights(runtime.city, demo=settings.demo), runtime.secrets.password)
    EmbeddedBroker(settings.mqtt_host, settings.mqtt_port, accounts).run(runtime.stop)


class CurrentRights:
    """The table of rights, made anew when the city's devices change."""

    def __init__(self, city: City, *, demo: bool) -> None:
        """Keep the city."""
        self._city = city
        self._demo = demo
        self._devices: Mapping[str, Device] | None = None
        self._table: Mapping[str, Rights] = {}

    def __call__(self) -> Mapping[str, Rights]:
        """The table as it is now."""
        devices = self._city.devices
        if devices is not self._devices:
            kinds = {id_: device.KIND for id_, device in devices.items()}
            self._table = rights_table(self._city.id, kinds, demo=self._demo)
            self._devices = devices
        return self._table
