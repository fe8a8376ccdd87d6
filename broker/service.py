"""The embedded broker as a service, with the accounts of the city's inventory."""

from __future__ import annotations

from broker.access import Accounts, rights_table
from broker.embedded import EmbeddedBroker
from city.runtime import Runtime


def serve(runtime: Runtime) -> None:
    """Run the broker until the runtime stops."""
    settings = runtime.settings
    devices = {id_: device.KIND for id_, device in runtime.city.devices.items()}
    rights = rights_table(runtime.city.id, devices, demo=settings.demo)
    accounts = Accounts(rights, runtime.secrets.password)
    EmbeddedBroker(settings.mqtt_host, settings.mqtt_port, accounts).run(runtime.stop)
