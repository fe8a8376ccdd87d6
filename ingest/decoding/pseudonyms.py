"""Pseudonyms of hotspot clients: MAC addresses and names become keyed hashes before anything is kept.

The hash of a client changes with each local day, so that visits can be linked within a day and not across days. The
hash of a session is stable, so that its start and end match. Without a key nothing of either is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from ingest.decoding.formats.port import Personal

_MARK: Final = "02:6b"
"""Prefix of pseudonymous MAC addresses: locally administered, so that no vendor's address collides."""
_NAME_MARK: Final = "p-"
_NAME: Final = re.compile(r"p-[0-9a-f]{12}")
_MAC: Final = re.compile(
    r"(?i)^[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$|^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$|^[0-9a-f]{6}-[0-9a-f]{6}$"
)
_MACS: Final = re.compile(
    rb"(?i)(?<![0-9a-f:])(?:(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4,6}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}"
    rb'|(?<=")[0-9a-f]{12}(?=["@])|(?<=")[0-9a-f]{6}-[0-9a-f]{6}(?=["@]))(?![0-9a-f:])'
)
"""Longer octet sequences match as well: a DHCP client id is a MAC address with one or two octets around it."""
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
"""Possessive: without, each character of a text costs 300 bytes of memory while it is matched."""
_TEXT: Final = re.compile(_STRING + rb'\s*:|("(?:[^"\\]++|\\.)*+)"?|-?[0-9][0-9.]*', re.DOTALL)
"""A key, which stays; or a text, perhaps truncated; or a number."""
_VALUE: Final = rb'"(?:[^"\\]++|\\.)*+"?|-?[0-9][^\s,}\]]*|\{[^{}]*\}?|\[[^\[\]{}]*\]?'
_MAC_LENGTH: Final = 17
_PERSONAL_WORDS: Final = (
    *("ssid", "e-?mail", "phone", "msisdn", "imsi", "iccid", "owner", "driver", "inregions", "inrids", "passenger"),
    *("(?:user|first|last|full|nick|real|family|given|login|screen|person)_?-?(?:name|id)", "birth", "passport"),
)
"""Parts of keys, in any case, whose texts tell of a person or a home whatever the format."""
_PERSONAL: Final = re.compile(
    rb'(?i)("[^"\\]{0,40}(?:' + "|".join(_PERSONAL_WORDS).encode() + rb')[^"\\]{0,20}"\s*:\s*)'
    rb'("(?:[^"\\]++|\\.)*+"?|\{[^{}]*\}?|\[[^\[\]{}]*\]?)',
    re.DOTALL,
)
_MAIL: Final = re.compile(rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,16}\.[A-Za-z]{2,24}")
_MACS_APART: Final = re.compile(
    rb"(?i)(?<![0-9a-f:-])(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![0-9a-f:-])"
    rb"|(?<![0-9a-f.])(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?![0-9a-f.])"
)
"""MAC addresses that show by their separators, and no longer sequence: a LoRaWAN EUI has eight octets."""
_NOBODY: Final = f"{_MARK}:00:00:00:00"


class Pseudonyms:
    """Computes pseudonyms; the same key, day and name give the same pseudonym.

    Args:
        key: The city's secret; None drops identities.
        time_zone: Time zone of the days.
    """

    def __init__(self, key: bytes | None, time_zone: ZoneInfo) -> None:
        self._key = key
        self._time_zone = time_zone

    def pseudonymize_detail(self, detail: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """An event's detail with personal values hashed; without a key they are left out."""
        pseudonymized = {
            name: self._pseudonym_of(value, at) if isinstance(value, Personal) else value
            for name, value in detail.items()
        }
        return {name: value for name, value in pseudonymized.items() if value is not None}

    def redact_macs(self, raw: bytes, keep: Collection[str], at: datetime, *, with_bare: bool = True) -> bytes:
        """Bytes in which every MAC address except those of equipment is a pseudonym.

        Args:
            raw: A message.
            keep: Addresses of equipment, as `flat_mac` spells them.
            at: The day.
            with_bare: Whether twelve digits without separators are an address too; elsewhere they may be a frame.
        """

        def replace(match: re.Match[bytes]) -> bytes:
            text = match[0].decode()
            if flat_mac(text) in keep:
                return match[0]
            return (self.of_mac(text[:_MAC_LENGTH] if ":" in text or "-" in text else text, at) or _NOBODY).encode()

        return (_MACS if with_bare else _MACS_APART).sub(replace, raw)

    def redact_people(self, raw: bytes, at: datetime) -> bytes:
        """Bytes without what tells of people in any format: texts under keys that say so, and e-mail addresses."""

        def replace(match: re.Match[bytes]) -> bytes:
            return match[1] + _TEXT.sub(hash_text, match[2])

        def hash_text(match: re.Match[bytes]) -> bytes:
            if match[1] is None:  # a key, or a number
                return match[0]
            return self._quote_pseudonym(match[1][1:].decode("utf-8", "replace"), at)

        def hash_mail(match: re.Match[bytes]) -> bytes:
            return self._quote_pseudonym(match[0].decode(), at)[1:-1]

        return _MAIL.sub(hash_mail, _PERSONAL.sub(replace, raw))

    def _quote_pseudonym(self, text: str, at: datetime) -> bytes:
        return b'"' + (self._pseudonym_of(Personal(text), at) or _NOBODY).encode() + b'"' if text else b'""'

    def redact_names(self, raw: bytes, keys: tuple[str, ...], at: datetime) -> bytes:
        """Bytes in which every text under one of these keys is a pseudonym; truncated JSON is redacted as well.

        Args:
            raw: A message.
            keys: Keys of JSON objects, in any case; their values are texts, numbers, or lists and objects of them.
            at: The day.
        """

        def replace(match: re.Match[bytes]) -> bytes:
            return match[1] + _TEXT.sub(hash_text, match[2])

        def hash_text(match: re.Match[bytes]) -> bytes:
            if match[0].endswith(b":") and match[1] is None:
                return match[0]
            text = (match[0] if match[1] is None else match[1][1:]).decode("utf-8", "replace")
            return b'"' + (self._pseudonym_of(Personal(text), at) or _NOBODY).encode() + b'"' if text else match[0]

        return _pattern_of_keys(keys).sub(replace, raw)

    def of_mac(self, mac: str, at: datetime) -> str | None:
        """The pseudonym of a MAC address, in the form of one; a pseudonym is returned unchanged."""
        flat = flat_mac(mac)
        if flat.startswith(_MARK.replace(":", "")):
            return ":".join(flat[place : place + 2] for place in range(0, 12, 2))
        digest = self._digest(flat, at.astimezone(self._time_zone).date().isoformat())
        return f"{_MARK}:{':'.join(digest[place : place + 2] for place in range(0, 8, 2))}" if digest else None

    def _pseudonym_of(self, person: Personal, at: datetime) -> str | None:
        if person.is_stable:
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
def _pattern_of_keys(keys: tuple[str, ...]) -> re.Pattern[bytes]:
    """A pattern of one of these keys in JSON and its value, complete or truncated."""
    names = b"|".join(re.escape(key).encode() for key in keys)
    return re.compile(rb'(?i)("(?:' + names + rb')"\s*:\s*)(' + _VALUE + rb")", re.DOTALL)


def flat_mac(text: str) -> str:
    """A MAC address without separators, in lower case; any other text in lower case."""
    return re.sub(r"[:.-]", "", text).lower() if _MAC.match(text) else text.lower()
