"""The embedded broker as a service, with the accounts of the city's devices and of third-party servers."""

from __future__ import annotations

from broker.accounts import AccountPasswords, CurrentRights
from broker.embedded import AuthSource, EmbeddedBroker
from broker.nats.config import NatsLayout
from broker.nats.server import find_program
from city.errors import ConfigError
from city.runtime.gateways import Gateways
from city.runtime.password_changes import PasswordChanges
from city.runtime.passwords import Passwords
from city.runtime.ports import is_loopback
from city.runtime.service import Runtime


def serve(runtime: Runtime) -> None:
    """Run the broker until the runtime stops."""
    settings = runtime.settings
    if not (settings.mqtt_ca or settings.mqtt_plain or is_loopback(settings.mqtt_host)):
        raise ConfigError(
            f"a broker on {settings.mqtt_host} serves other machines: give --mqtt-ca for TLS (`kota secrets tls` makes "
            "certificates), or --mqtt-plain for a network of its own"
        )
    gateways = Gateways(settings.data)
    rights = CurrentRights(runtime.inventory, gateways, demo=settings.demo)
    layout = NatsLayout(
        settings.data.resolve() / "broker",
        settings.mqtt_host,
        settings.mqtt_port,
        settings.broker_max_mb << 20,
        settings.data.resolve() / "tls" if settings.mqtt_ca else None,
    )
    secrets = runtime.secrets
    passwords = AccountPasswords(secrets, gateways, Passwords(secrets, PasswordChanges(settings.data)))
    facts = AuthSource(
        runtime.city.id, rights, passwords.is_valid, passwords.valid_ids, secrets.password, secrets.broker_seed()
    )
    program = find_program(settings.nats_server)
    EmbeddedBroker(program, layout, facts, on_alive=lambda: runtime.beat("broker")).run(runtime.stop)
