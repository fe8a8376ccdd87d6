"""Signs of life: every service leaves one, `kota health` looks for it; what containers are asked by."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from broker.contract.errors import KotaError
from city.options import add_settings, settings_from
from city.settings import Settings

SERVICES: Final = ("ingest", "api", "vision", "simulator")
FRESH_S: Final = 30.0
"""A sign of life older than this is none."""
_HTTP_TIMEOUT_S: Final = 5.0


class UnwellError(KotaError):
    """A service does not do its work."""


class _Snapshot(msgspec.Struct):
    """What ingest says of itself, as far as it matters here."""

    at: datetime
    connected: bool


def run(argv: list[str]) -> int:
    """0 when a service is alive, 1 with the reason when not."""
    parser = argparse.ArgumentParser(prog="kota health", description="Say whether a service of this machine is alive.")
    parser.add_argument("service", choices=SERVICES)
    add_settings(parser, ("data", "host", "port"))
    args = parser.parse_args(argv)
    print(f"{args.service}: {_look(args.service, settings_from(args))}")
    return 0


def leave_sign(data: Path, service: str) -> None:
    """Say that a service's process lives; a disk that refuses makes it look dead, and stops nothing."""
    path = _sign(data, service)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _sign(data: Path, service: str) -> Path:
    return data / "alive" / service


def _look(service: str, settings: Settings) -> str:
    match service:
        case "ingest":
            return _ingest(settings)
        case "api":
            return _api(settings)
        case _:
            return _process(service, settings)


def _process(service: str, settings: Settings) -> str:
    try:
        age_s = time.time() - _sign(settings.data, service).stat().st_mtime
    except OSError as exc:
        raise UnwellError(f"{service} has left no sign of life: {exc.strerror}") from exc
    return _fresh(service, age_s)


def _ingest(settings: Settings) -> str:
    """Of its work and not only of its process; without a broker it waits, which restarting would not mend."""
    path = settings.data / "ingest" / "health.json"
    try:
        said = msgspec.json.decode(path.read_bytes(), type=_Snapshot)
    except (OSError, msgspec.MsgspecError) as exc:
        raise UnwellError(f"ingest has said nothing of itself: {exc}") from exc
    alive = _fresh("ingest", (datetime.now(UTC) - said.at).total_seconds())
    return alive if said.connected else f"{alive}, but the broker is away"


def _fresh(service: str, age_s: float) -> str:
    if abs(age_s) > FRESH_S:
        raise UnwellError(f"{service}'s last sign of life is {age_s:.0f} s old")
    return "alive"


def _api(settings: Settings) -> str:
    host = settings.host
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            host = "127.0.0.1"
    url = f"http://{host}:{settings.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_TIMEOUT_S):
            return "alive"
    except OSError as exc:
        raise UnwellError(f"{url}: {exc}") from exc
