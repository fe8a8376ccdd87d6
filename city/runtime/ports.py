"""Ports to listen on: a default port in use is replaced by the next free one, a requested port is not."""

from __future__ import annotations

import ipaddress
import random
import socket
from pathlib import Path
from typing import Final

from city.errors import KotaError

TRIES: Final = 50
LOWEST_FREE: Final = 10_240
OUTGOING_FROM: Final = 32_768
"""Linux's default."""


class PortTakenError(KotaError):
    """A requested port is in use."""


def choose_port(
    host: str, default: int, requested: int | None, *, role: str, taken: frozenset[int] = frozenset()
) -> int:
    """The requested port, or the first free one from the default upwards; 0 requests any.

    Raises:
        PortTakenError: The requested port is in use, or none near the default is free.
    """
    if requested == 0:
        return free_port(host, taken)
    if requested is not None:
        bound_port = _bind(host, requested)
        if bound_port is None or bound_port in taken:
            raise PortTakenError(f"port {requested} for {role} on {host} is in use; choose another or leave it out")
        return bound_port
    for port in range(default, default + TRIES):
        if port not in taken and _bind(host, port) is not None:
            return port
    raise PortTakenError(f"no free port for {role} on {host} from {default} to {default + TRIES - 1}")


def free_port(host: str, taken: frozenset[int] = frozenset()) -> int:
    """A free port outside of the kernel's range for outgoing connections.

    Raises:
        PortTakenError: There is none.
    """
    candidates = list(range(LOWEST_FREE, _outgoing_from()))
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        if port not in taken and _bind(host, port) is not None:
            return port
    raise PortTakenError(f"no port on {host} is free")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, or an address of its loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _outgoing_from() -> int:
    """First port of the kernel's range for outgoing connections."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return OUTGOING_FROM


def _bind(host: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
