r"""Lines of the custody log: JSON, each with the SHA-256 of the line before it and a signature.

A line is `{"n":..,"at":..,"kind":..,"case":..,"detail":{..},"prev":..,"key":..,"sig":".."}`. Signed is the line without
`,"sig":".."`; `prev` is the SHA-256 of the whole line before it, without its line end. Both can be checked with
`sha256sum` and `openssl` alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from broker.contract.codec import UNREADABLE
from city.storage.signatures import Signer, sign_line

Kind = Literal["kept", "looked", "exported", "reviewed", "deleted", "fault"]

Utc = Annotated[datetime, msgspec.Meta(tz=True)]


class Entry(msgspec.Struct, frozen=True):
    """One line of the log. `at` is UTC, `key` the id of the public key that checks `sig`."""

    n: int
    at: Utc
    kind: Kind
    case: str
    detail: Annotated[dict[str, Any], msgspec.Meta(description="What happened, by `kind`.")]
    prev: str
    key: str
    sig: str = ""


class Head(msgspec.Struct, frozen=True):
    """Number and SHA-256 of the newest line, kept in a file of its own so that a truncated log is detected."""

    n: int
    sha256: str
    at: Utc
    key: str
    sig: str = ""


def sign_entry(signer: Signer, unsigned: Entry | Head) -> bytes:
    """The signed line, without its line end."""
    fields = msgspec.structs.asdict(unsigned)
    del fields["sig"]
    return sign_line(signer, fields)


def parse_entry(line: bytes) -> Entry | None:
    """Parse a line; None if it is no entry. The signature is not checked: that is `is_genuine`."""
    try:
        return msgspec.json.decode(line, type=Entry)
    except UNREADABLE:
        return None


def parse_head(line: bytes) -> Head | None:
    """Parse the head file; None if it is no head. The signature is not checked."""
    try:
        return msgspec.json.decode(line, type=Head)
    except UNREADABLE:
        return None
