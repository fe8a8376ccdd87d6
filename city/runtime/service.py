"""The runtime of a process: settings, city, secrets, heartbeats, and the signal to stop its services."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar, cast

import structlog

from city.errors import ConfigError
from city.inventory.additions import CityFollower, InventoryAdditions
from city.inventory.city_files import CityFiles
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from city.inventory.provider import LiveInventory
from city.inventory.tables import release_validators
from city.runtime.heartbeats import HeartbeatRegistry
from city.runtime.password_changes import PasswordChanges
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings

log = structlog.get_logger("city")


def city_folder(name: str) -> Path:
    """The folder of a built-in city, or the folder named.

    Raises:
        ConfigError: There is neither.
    """
    folder = Path(name)
    return folder if folder.is_dir() else builtin_city(name)


def city_files(settings: Settings) -> CityFiles:
    """Where the files of the city are.

    Raises:
        ConfigError: There is no such city.
    """
    return CityFiles(city_folder(settings.city), settings.data)


def own_city(settings: Settings) -> City:
    """The city as its files say, without saved profiles and adopted devices.

    Raises:
        ConfigError: The inventory is wrong.
    """
    files = city_files(settings)
    return load_city(files.folder, files.data)


def whole_city(settings: Settings) -> City:
    """The city with its inventory, its saved profiles and its adopted devices.

    Raises:
        ConfigError: The inventory is wrong.
    """
    inventory = LiveInventory(own_city(settings))
    InventoryAdditions(settings.data, inventory)
    return inventory.current()


class Closable(Protocol):
    """What is closed at the end."""

    def close(self) -> None:
        """Release files and connections."""


ClosableT = TypeVar("ClosableT", bound=Closable)


class Runtime:
    """One per process. A thread that fails ends the process: the supervisor restarts it, the journal replays.

    Each part of a service calls `beat` while it works; a part that stops doing so ends the process too.
    """

    def __init__(self, settings: Settings, services: Collection[str] = ()) -> None:
        """Load the city; `services` are those that run in this process.

        Raises:
            ConfigError: The inventory or the key is wrong.
        """
        self.settings = settings
        self.services = frozenset(services)
        follower = CityFollower(city_files(settings))
        self.inventory = LiveInventory(follower.city)
        self.additions = InventoryAdditions(settings.data, self.inventory, follower)
        release_validators()
        self.heartbeats = HeartbeatRegistry()
        self.beat = self.heartbeats.beat
        self.stop = threading.Event()
        self.failed = threading.Event()
        self._shared: dict[str, Closable] = {}
        self._sharing = threading.Lock()

    @property
    def city(self) -> City:
        """The newest snapshot of the inventory."""
        return self.inventory.current()

    @cached_property
    def secrets(self) -> Secrets:
        """The city's secrets, made for a first run, read when first needed: a device's own agent has none."""
        return Secrets.of(self.settings, make=True)

    def mqtt_password(self, user: str) -> str:
        """The password set for this process, or the user's own, derived from the city's key.

        A changed password is known to the setting alone; without it the broker may refuse the derived one.
        """
        if password := self.settings.mqtt_password.get_secret_value():
            return password
        with contextlib.suppress(ConfigError):  # it is in the log
            if PasswordChanges(self.settings.data).change_of(user):
                log.warning("mqtt.password_changed", user=user, setting="KOTA_MQTT_PASSWORD")
        return self.secrets.password(user)

    def share(self, name: str, make: Callable[[], ClosableT]) -> ClosableT:
        """What several services of this process use together, such as the store: made at the first call.

        Args:
            name: Names it; the same name always means the same type.
            make: Makes it; what it raises is raised, and the next call tries again.
        """
        with self._sharing:
            if name not in self._shared:
                self._shared[name] = make()
            return cast("ClosableT", self._shared[name])

    def close(self) -> None:
        """Close what the services shared; they have ended."""
        with self._sharing:
            while self._shared:
                self._shared.popitem()[1].close()

    def thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Start a named thread whose failure stops the process."""

        def run() -> None:
            try:
                work()
            except Exception:
                log.exception("thread.failed", thread=name)
                self.failed.set()
                self.stop.set()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread
