"""Who a client of a hotspot is stays here: MAC addresses and names become keyed hashes before anything is kept.

The hash of a client changes every day of the city, so that visits of one day belong together and those of two do not.
That of a session does not change: it tells its end from another's. Without a key nothing of them is kept at all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from ingest.adapters.port import Personal

_MARK: Final = "02:6b"
"""How pseudonyms of MAC addresses begin: locally administered, so that no maker's address is like them."""
_NAME_MARK: Final = "p-"
_NAME: Final = re.compile(r"p-[0-9a-f]{12}")
_MAC: Final = re.compile(
    r"(?i)^[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$|^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$|^[0-9a-f]{6}-[0-9a-f]{6}$"
)
_MACS: Final = re.compile(
    rb"(?i)(?<![0-9a-f:])(?:(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4,6}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}"
    rb'|(?<=")[0-9a-f]{12}(?=["@])|(?<=")[0-9a-f]{6}-[0-9a-f]{6}(?=["@]))(?![0-9a-f:])'
)
"""Longer rows of octets as well: a DHCP client id is a MAC address with one or two octets around it."""
_STRING: Final = rb'"(?:[^"\\]|\\.)*"'
_TEXT: Final = re.compile(_STRING + rb'\s*:|("(?:[^"\\]|\\.)*)"?|-?[0-9][0-9.]*', re.DOTALL)
"""A key, which stays; or a text, perhaps cut off; or a number."""
_VALUE: Final = rb'"(?:[^"\\]|\\.)*"?|-?[0-9][^\s,}\]]*|\{[^{}]*\}?|\[[^\[\]{}]*\]?'
_MAC_LENGTH: Final = 17
_NOBODY: Final = f"{_MARK}:00:00:00:00"


class Pseudonyms:
    """Makes them; pure, and the same for the same key, day and name.

    Args:
        key: Of this city; None keeps nothing.
        time_zone: Whose days they last.
    """

    def __init__(self, key: bytes | None, time_zone: ZoneInfo) -> None:
        """Keep the key."""
        self._key = key
        self._time_zone = time_zone

    def without_persons(self, detail: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """An event's detail whose personal values are hashes; left out without a key."""
        found = {name: self._of(value, at) if isinstance(value, Personal) else value for name, value in detail.items()}
        return {name: value for name, value in found.items() if value is not None}

    def scrubbed(self, raw: bytes, keep: Collection[str], at: datetime) -> bytes:
        """Bytes in which every MAC address is a pseudonym, but those of equipment.

        Args:
            raw: A message.
            keep: Addresses that stay, in any spelling.
            at: The day.
        """
        kept = {flat_mac(one) for one in keep}

        def replaced(found: re.Match[bytes]) -> bytes:
            text = found[0].decode()
            if flat_mac(text) in kept:
                return found[0]
            return (self.of_mac(text[:_MAC_LENGTH] if ":" in text or "-" in text else text, at) or _NOBODY).encode()

        return _MACS.sub(replaced, raw)

    def without_names(self, raw: bytes, keys: tuple[str, ...], at: datetime) -> bytes:
        """Bytes in which every text under one of these keys is a pseudonym; what is no JSON any more, too.

        Args:
            raw: A message.
            keys: Of JSON objects, in any case; under them are texts, numbers, or lists and objects of them.
            at: The day.
        """

        def replaced(found: re.Match[bytes]) -> bytes:
            return found[1] + _TEXT.sub(hashed, found[2])

        def hashed(found: re.Match[bytes]) -> bytes:
            if found[0].endswith(b":") and found[1] is None:
                return found[0]
            text = (found[0] if found[1] is None else found[1][1:]).decode("utf-8", "replace")
            return b'"' + (self._of(Personal(text), at) or _NOBODY).encode() + b'"' if text else found[0]

        return _values_under(keys).sub(replaced, raw)

    def of_mac(self, mac: str, at: datetime) -> str | None:
        """A MAC address' pseudonym, in the form of one; one that is a pseudonym already stays."""
        flat = flat_mac(mac)
        if flat.startswith(_MARK.replace(":", "")):
            return ":".join(flat[place : place + 2] for place in range(0, 12, 2))
        digest = self._digest(flat, at.astimezone(self._time_zone).date().isoformat())
        return f"{_MARK}:{':'.join(digest[place : place + 2] for place in range(0, 8, 2))}" if digest else None

    def _of(self, person: Personal, at: datetime) -> str | None:
        if person.lasting:
            digest = self._digest(person.value, "")
            return digest[:16] if digest else None
        if _MAC.match(person.value):
            return self.of_mac(person.value, at)
        if _NAME.fullmatch(person.value):
            return person.value
        digest = self._digest(person.value, at.astimezone(self._time_zone).date().isoformat())
        return _NAME_MARK + digest[:12] if digest else None

    def _digest(self, value: str, day: str) -> str:
        if self._key is None:
            return ""
        return hashlib.blake2b(f"{day}/{value}".encode(), key=self._key, digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def _values_under(keys: tuple[str, ...]) -> re.Pattern[bytes]:
    """What stands under one of these keys in JSON, whole or cut off: the key, and the value."""
    names = b"|".join(re.escape(key).encode() for key in keys)
    return re.compile(rb'(?i)("(?:' + names + rb')"\s*:\s*)(' + _VALUE + rb")", re.DOTALL)


def flat_mac(text: str) -> str:
    """A MAC address without what stands between its digits, in lower case; any other text as it is."""
    return re.sub(r"[:.-]", "", text).lower() if _MAC.match(text) else text.lower()
