"""The relying party of WebAuthn: the domain to which a browser binds the passkeys of a city."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

NAME: Final = "Jaga Kota"
_PORTS: Final = {"http": 80, "https": 443}
_LOCAL: Final = "localhost"
_ADDRESS: Final = re.compile(r".*:.*|(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""A host that browsers read as an IP address. Source: WHATWG URL, section 3.5, "ends in a number"."""


@dataclass(frozen=True)
class RelyingParty:
    """Domain and origin of a city's pages, such as `kota.example` and `https://kota.example`."""

    id: str
    origin: str


def relying_party_of(public_url: str) -> RelyingParty | None:
    """The relying party at an address; None where browsers allow no passkeys.

    They need a domain instead of an IP address, and https; `localhost` may do without.

    Source: Web Authentication Level 3, sections 5.1.2 (RP ID) and 13.4.9 (origin).
    """
    try:
        parts = urlsplit(public_url)
        host, port = parts.hostname or "", parts.port
        domain = host.encode("idna").decode()
    except ValueError:
        return None
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and domain == _LOCAL)
    if not domain or not is_secure or _ADDRESS.fullmatch(domain):
        return None
    suffix = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return RelyingParty(domain, f"{parts.scheme}://{domain}{suffix}")
