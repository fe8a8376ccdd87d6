"""The endpoint file: the embedded broker's address for the services of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

READER: Final = "stream-reader"
"""The user of ingest at that address. Its password is the key's: who reads it there can read the key as well."""


def endpoint_path(data: Path) -> Path:
    """Path of the endpoint file in a data folder."""
    return data / "broker" / "endpoint.json"


class Endpoint(msgspec.Struct, frozen=True):
    """The embedded broker's address for the services of this machine; written at each start."""

    url: str
