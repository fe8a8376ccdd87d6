"""`kota health`: the health check of a service, for containers. Its rules are in `city/runtime/status.py`."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Final

from city.errors import KotaError
from city.i18n.catalogue import STATUS_TEXTS
from city.runtime.heartbeats import read_heartbeat
from city.runtime.options import add_settings, settings_from
from city.runtime.settings import Settings
from city.runtime.status import ingest_not_ready_reason, is_fresh, read_ingest

SERVICES: Final = ("ingest", "api", "vision", "simulator")
_HTTP_TIMEOUT_S: Final = 5.0


class UnwellError(KotaError):
    """A service does not do its work."""


def run(argv: list[str]) -> int:
    """Exit code 0 if a service is alive; raises with the reason if not."""
    parser = argparse.ArgumentParser(prog="kota health", description="Say whether a service of this machine is alive.")
    parser.add_argument("service", choices=SERVICES)
    add_settings(parser, ("data", "host", "port"))
    args = parser.parse_args(argv)
    print(f"{args.service}: {_check(args.service, settings_from(args))}")
    return 0


def _check(service: str, settings: Settings) -> str:
    match service:
        case "ingest":
            return _ingest(settings)
        case "api":
            return _api(settings)
        case _:
            return _process(service, settings)


def _process(service: str, settings: Settings) -> str:
    heartbeat = read_heartbeat(settings.data, service)
    if heartbeat is None:
        raise UnwellError(f"{service} has left no sign of life")
    alive = _fresh(service, datetime.fromtimestamp(heartbeat.at, UTC))
    if late := heartbeat.overdue():
        raise UnwellError(f"{service} hangs: {late.part} has made no progress for {late.age_s:.0f} s")
    return alive


def _ingest(settings: Settings) -> str:
    """Whether ingest works. Without a broker it waits and is alive: a restart would not help."""
    state = read_ingest(settings.data)
    if state is None:
        raise UnwellError("ingest has said nothing of itself")
    alive = _fresh("ingest", state.at)
    trouble = ingest_not_ready_reason(state, datetime.now(UTC))
    return f"{alive}, but {STATUS_TEXTS.text(trouble, 'en')}" if trouble else alive


def _fresh(service: str, at: datetime) -> str:
    now = datetime.now(UTC)
    if not is_fresh(at, now):
        raise UnwellError(f"{service}'s last sign of life is {(now - at).total_seconds():.0f} s old")
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
        # A refused connection is wrapped: its own words are the reason.
        reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        words = reason.strerror if isinstance(reason, OSError) and reason.strerror else reason
        raise UnwellError(f"{url} does not answer: {words}") from exc
