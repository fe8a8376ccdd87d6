"""The present accounts of a city with their passwords: inventory and adopted devices, gateways, services."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from broker.access import Rights, rights_table
from broker.password_hash import hash_password
from city.inventory.device_topics import own_topics
from city.inventory.provider import InventoryProvider
from city.runtime.gateways import Gateways
from city.runtime.passwords import Passwords
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


class AccountPasswords:
    """Checks the password of any account.

    Args:
        secrets: The gateways' passwords.
        gateways: Accounts of third-party servers.
        passwords: The passwords of all other accounts.
    """

    def __init__(self, secrets: Secrets, gateways: Gateways, passwords: Passwords) -> None:
        self._secrets = secrets
        self._gateways = gateways
        self._passwords = passwords

    def is_valid(self, user: str, password: str) -> bool:
        """Whether an account has this password now."""
        if self._gateways.current().get(user) is None:
            return self._passwords.is_valid(user, password)
        return hmac.compare_digest(self._of_gateway(user).encode(), password.encode())

    def valid_ids(self, user: str) -> frozenset[str]:
        """An id of each password that is valid now; a gateway that is made anew has another one."""
        gateway = self._gateways.current().get(user)
        return frozenset({gateway.nonce}) if gateway else self._passwords.valid_ids(user)

    def newest_hash(self, user: str) -> str | None:
        """The hash of the newest password, as Mosquitto has it; None after a revocation.

        Raises:
            ConfigError: The account's file cannot be read.
        """
        if self._gateways.current().get(user) is None:
            return self._passwords.newest_hash(user)
        return hash_password(user, self._of_gateway(user))

    def _of_gateway(self, user: str) -> str:
        return password_of(self._secrets, self._gateways, user)


def password_of(secrets: Secrets, gateways: Gateways, user: str) -> str:
    """The password that the city's key gives an account."""
    gateway = gateways.current().get(user)
    return secrets.gateway_password(gateway.name, gateway.nonce) if gateway else secrets.password(user)
