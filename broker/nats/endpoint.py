"""The endpoint file: the embedded broker's address for the services of this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec


def endpoint_path(data: Path) -> Path:
    """Path of the endpoint file in a data folder."""
    return data / "broker" / "endpoint.json"


class Endpoint(msgspec.Struct, frozen=True):
    """The embedded broker's address for the services of this machine; written at each start."""

    url: str
