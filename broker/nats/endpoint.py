"""Where the services of this machine find the embedded broker."""

from __future__ import annotations

from pathlib import Path

import msgspec


def endpoint_path(data: Path) -> Path:
    """Where the embedded broker of a data folder says how services reach it."""
    return data / "broker" / "endpoint.json"


class Endpoint(msgspec.Struct, frozen=True):
    """Where the services of this machine reach the embedded broker; written by it at each start."""

    url: str
