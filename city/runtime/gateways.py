"""Accounts of third-party servers: one file each, made and revoked by an operator, read by every process.

`kota credentials gateway NAME` -> DATA/gateways/NAME.json -> the broker, Mosquitto's files, the route for messages
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from broker.contract.topics import covers, require_id
from city.errors import ConfigError, TopicError
from city.storage.atomic_files import replace_file, require_version

log = structlog.get_logger("city")

FOLDER: Final = "gateways"
_NONCE_BYTES: Final = 16


class Gateway(msgspec.Struct, frozen=True):
    """One server: its formats, the topic filters it may publish to, and the nonce of its password."""

    name: str
    formats: tuple[str, ...]
    filters: tuple[str, ...]
    nonce: str
    made_at: datetime
    version: int = 1

    def may_publish(self, topic: str) -> bool:
        """Whether its filters cover a topic (without wildcards)."""
        return any(covers(filter_, topic) for filter_ in self.filters)


class Gateways:
    """The accounts in the folder; each call lists the folder. Thread-safe."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._lock = threading.Lock()
        self._seen: tuple[tuple[str, int], ...] | None = None
        self._accounts: Mapping[str, Gateway] = {}

    def current(self) -> Mapping[str, Gateway]:
        """Accounts by name; the same object while nothing has changed."""
        with self._lock:
            seen = tuple(sorted(self._stamps()))
            if seen != self._seen:
                self._accounts = {gateway.name: gateway for name, _ in seen if (gateway := self._read(name))}
                self._seen = seen
            return self._accounts

    def make(self, name: str, formats: Sequence[str], filters: Sequence[str], taken: Collection[str]) -> Gateway:
        """Make an account, durably.

        Args:
            name: Its name, which is its user as well.
            formats: Its formats.
            filters: Topic filters of these formats.
            taken: Names of other accounts.

        Raises:
            ConfigError: The name is no id or taken, or no format is given.
            StorageError: The disk refuses.
        """
        try:
            require_id(name, "the name")
        except TopicError as exc:
            raise ConfigError(str(exc)) from exc
        if name in taken or name in self.current():
            raise ConfigError(f"{name!r} is an account already; give the server another name, or revoke it first")
        made = Gateway(name, tuple(formats), tuple(filters), secrets.token_hex(_NONCE_BYTES), datetime.now(UTC))
        path = self._folder / f"{name}.json"
        replace_file(path, msgspec.json.format(msgspec.json.encode(made), indent=1), parents=True)
        return made

    def revoke(self, name: str) -> None:
        """Revoke an account; the broker closes its connections within seconds.

        Raises:
            ConfigError: There is no such account.
        """
        try:
            require_id(name, "the name")
            (self._folder / f"{name}.json").unlink()
        except (OSError, TopicError) as exc:
            raise ConfigError(f"there is no gateway {name!r}; `kota credentials gateway` lists them") from exc

    def _stamps(self) -> list[tuple[str, int]]:
        try:
            return [(path.name, path.stat().st_mtime_ns) for path in self._folder.glob("[!.]*.json")]
        except OSError:  # one is just being revoked
            return []

    def _read(self, name: str) -> Gateway | None:
        path = self._folder / name
        try:
            raw = path.read_bytes()
            require_version(raw, path)
            gateway = msgspec.json.decode(raw, type=Gateway)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ConfigError) as exc:
            log.error("gateways.unreadable", file=name, reason=str(exc))
            return None
        return gateway if f"{gateway.name}.json" == name else None
