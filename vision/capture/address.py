"""The kind of a camera's source, and its text without passwords for logs and errors. Imports no OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from city.errors import ConfigError

DEMO: Final = "demo"
SCHEMES: Final = ("rtsp", "rtsps", "http", "https")

SourceKind = Literal["demo", "stream", "folder", "file"]


def kind_of(text: str) -> SourceKind:
    """The kind of source that a text of the inventory names.

    Raises:
        ConfigError: It is no address, and there is no such folder or file.
    """
    if text == DEMO:
        return "demo"
    if text.partition("://")[0].lower() in SCHEMES and "://" in text:
        return "stream"
    if "://" in text:
        raise ConfigError(f"{redact_address(text)}: an address of a camera begins with {', '.join(SCHEMES)}")
    path = Path(text)
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "file"
    raise ConfigError(f"{text}: neither an address, a folder nor a file")


def redact_address(text: str) -> str:
    """A source's text for logs and errors: of an address only scheme, host and port.

    Makers put passwords before the host, into the query (`?pwd=`) and into the path (`/user=..._password=...`).
    """
    if "://" not in text:
        return text
    scheme, _, rest = text.partition("://")
    try:
        host, port = (parts := urlsplit(text)).hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if "@" in host or not rest:
        host = ""
    return f"{scheme}://{host or '...'}{f':{port}' if port else ''}"
