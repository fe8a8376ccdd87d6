"""Which addresses a provider may have: https, or http on this machine's loopback interface."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def refusal_of(url: str, *, loopback: bool) -> str:
    """Why an address is not acceptable; empty if it is.

    Args:
        url: The address.
        loopback: Whether http on the loopback interface is acceptable.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "it contains characters that an address cannot have"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no address"
    if not host or parts.username is not None or parts.fragment:
        return "it needs a host, and has no user and no fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and loopback and is_loopback(url)):
        return ""
    return "it must begin with https://"


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine's loopback interface."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
