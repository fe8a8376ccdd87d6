"""Strict parsing of the headers `Host` and `Origin`. Pure functions."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})")
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")
_PORT_MAX: Final = 65_535
_PORTS: Final = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """Host, in lower case and without brackets, and port; None without a port."""

    host: str
    port: int | None


class WebOrigin(NamedTuple):
    """The origin of a page; the origin `null` has neither scheme nor authority."""

    scheme: str
    authority: Authority | None


def parse_authority(text: str) -> Authority | None:
    """The authority in a `Host` header; None if malformed.

    Source: RFC 9110, section 7.2; RFC 3986, section 3.2.
    """
    match = _AUTHORITY.fullmatch(text)
    if not match:
        return None
    host, port = match["host"], int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port <= _PORT_MAX:
        return None
    if host.startswith("["):
        host = host[1:-1]
        if not isinstance(_address(host), ipaddress.IPv6Address):
            return None
    elif not _NAME.fullmatch(host):
        return None
    return Authority(host.lower(), port)


def parse_origin(text: str) -> WebOrigin | None:
    """The origin in an `Origin` header; None if malformed.

    Source: RFC 6454, section 7.
    """
    if text == "null":
        return WebOrigin("", None)
    scheme, separator, rest = text.partition("://")
    authority = parse_authority(rest)
    if not separator or authority is None or not _SCHEME.fullmatch(scheme):
        return None
    return WebOrigin(scheme.lower(), authority)


def is_same(origin: WebOrigin | None, host: Authority | None) -> bool:
    """Whether the origin's host and port equal those of the request. Schemes are ignored, since a proxy may end TLS."""
    if origin is None or origin.authority is None or host is None:
        return False
    default = _PORTS.get(origin.scheme)
    return origin.authority.host == host.host and (origin.authority.port or default) == (host.port or default)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
