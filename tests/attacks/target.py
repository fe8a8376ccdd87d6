"""The city under attack, and one honest device of it that must be served all the while."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from broker.accounts import password_of
from broker.client import BusClient, ConnectionParams, Delivery
from city.errors import ConfigError
from city.runtime.gateways import Gateways
from city.runtime.secrets import Secrets
from ingest.decoding.formats.registry import filters_by_format

SERVED_WITHIN_S: Final = 30.0
_LISTENS: Final = "0A"
"""State of a socket in `/proc/net/tcp`."""


class Target(msgspec.Struct, frozen=True):
    """A running city on loopback.

    `city` is its id, `http_port` 0 where only its bus is attacked. `closes_silent`: its broker closes who says nothing
    within seconds; Mosquitto does after 90 and has no setting for it.
    """

    data: Path
    host: str
    mqtt_port: int
    http_port: int = 0
    ca: Path | None = None
    closes_silent: bool = True
    city: str = "kupang"

    def password(self, user: str) -> str:
        """The password of an account, as somebody has it who has stolen that device."""
        return password_of(Secrets(self.data), Gateways(self.data), user)

    def login(self, user: str, client_id: str = "") -> ConnectionParams:
        """How an account signs in."""
        return ConnectionParams(self.host, self.mqtt_port, user, self.password(user), client_id or user, ca=self.ca)


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended."""

    name: str
    held: bool
    said: str
    took_s: float


class Attempt(msgspec.Struct, frozen=True):
    """One attack: `work` raises `AssertionError` when the city does not hold, and says otherwise what it saw."""

    name: str
    work: Callable[[Target], str]
    needs_http: bool = False

    def __str__(self) -> str:
        return self.name

    def run(self, target: Target) -> Outcome:
        """Make it, and ask afterwards whether an honest device is still served."""
        began_s = time.monotonic()
        try:
            said = self.work(target)
            waited_s = be_served(target)
        except (AssertionError, OSError) as exc:
            return Outcome(self.name, held=False, said=str(exc) or type(exc).__name__, took_s=_since(began_s))
        said = f"{said}; an honest device had its receipt after {waited_s:.2f} s"
        return Outcome(self.name, held=True, said=said, took_s=_since(began_s))


def _since(began_s: float) -> float:
    return round(time.monotonic() - began_s, 2)


class Device:
    """A connection of an account; keeps what it hears."""

    def __init__(self, target: Target, user: str, *filters: str, client_id: str = "") -> None:
        """Start connecting."""
        self.heard: list[Delivery] = []
        self._filters = filters
        self.bus = BusClient(target.login(user, client_id))
        self.bus.listen(on_messages=self._keep, on_connected=lambda _present: self._subscribe())
        self._thread = threading.Thread(target=self.bus.run, args=(threading.Event(),), daemon=True)
        self._thread.start()

    def _keep(self, deliveries: Sequence[Delivery]) -> None:
        self.heard += deliveries
        self.bus.acknowledge_all(deliveries)

    def _subscribe(self) -> None:
        if self._filters:
            self.bus.subscribe(*self._filters)

    def wait(self, condition: Callable[[], object], what: str, within_s: float = SERVED_WITHIN_S) -> None:
        """Wait for something.

        Raises:
            AssertionError: It did not come.
        """
        until_s = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until_s:
                raise AssertionError(f"waited {within_s:.0f} s for {what}")
            time.sleep(0.01)

    def close(self) -> None:
        """Disconnect."""
        self.bus.close()
        self._thread.join(5)


def be_served(target: Target, user: str = "bin-0001") -> float:
    """Publish a reading as an honest device and wait for its receipt; how long that took, in seconds.

    Raises:
        AssertionError: There was none.
    """
    own = f"kota/v1/{target.city}/bin/{user}"
    epoch = f"a{random.randrange(1 << 40):x}"[:10]
    reading = {"ts": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "boot": epoch, "seq": 0, "battery_pct": 50}
    began_s = time.monotonic()
    device = Device(target, user, f"{own}/receipt")
    try:
        device.wait(device.bus.connected.is_set, f"{user} to be let in")
        # Its subscription may come into force after the first receipt: a device sends again what has none.
        while time.monotonic() - began_s < SERVED_WITHIN_S:
            device.bus.publish(f"{own}/telemetry", json.dumps(reading).encode())
            asked_s = time.monotonic()
            while time.monotonic() - asked_s < 2.0:
                if any(epoch.encode() in delivery.payload for delivery in device.heard):
                    return time.monotonic() - began_s
                time.sleep(0.01)
        raise AssertionError(f"{user} had no receipt within {SERVED_WITHIN_S:.0f} s")
    finally:
        device.close()


def allow_connections(count: int) -> None:
    """Let this process open so many files.

    Raises:
        AssertionError: The machine does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        assert hard == resource.RLIM_INFINITY or hard >= count, f"only {hard} files may be open here"
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def ensure_gateway(target: Target, name: str) -> bool:
    """Make the account of a third-party server where it is not there yet; return whether it was made."""
    gateways = Gateways(target.data)
    if name in gateways.current():
        return False
    gateways.make(name, ["unifi"], filters_by_format()["unifi"], ())
    return True


def broker_memory_bytes(target: Target) -> int:
    """The most memory that the process behind the MQTT port, and the one that keeps it, have had so far, together."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == target.mqtt_port and fields[3] == _LISTENS:
            inodes.add(f"socket:[{fields[9]}]")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in inodes:
                server = _status(descriptor.parts[2])
                keeper = _status(server["PPid"])
                ours = "serve" in Path(f"/proc/{server['PPid']}/cmdline").read_text()
                return int(server["VmHWM"]) + (int(keeper["VmHWM"]) if ours else 0) << 10
    raise AssertionError(f"nobody listens on port {target.mqtt_port}")


def _status(pid: str) -> dict[str, str]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): words[1] for words in lines if len(words) > 1}


def running_city(data: Path, city: str) -> Target:
    """The city, by its id, that `kota up` runs on a data folder.

    Raises:
        ConfigError: None runs there.
    """
    try:
        run = json.loads((data / "run.json").read_bytes())
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{data}: no city runs there: {exc}") from exc
    ca = data / "tls" / "ca.crt"
    host = "127.0.0.1" if run["mqtt_host"] in ("0.0.0.0", "::") else run["mqtt_host"]  # noqa: S104 - compared
    loopback = host.startswith("127.") or host in ("localhost", "::1")
    if not loopback:
        raise ConfigError(f"{host} is not this machine: attempts are made on loopback alone")
    ca_needed = ca if ca.exists() and run["mqtt_host"] != host else None
    return Target(data, host, run["mqtt_port"], run["port"], ca_needed, city=city)
