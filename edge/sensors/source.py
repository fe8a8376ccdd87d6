"""Parses `--source`: an address and, after `#`, driver options, `/dev/ttyUSB0#baud=9600,model=jsn-sr04t`.

`#` and not `?`: what follows `?` in a URL belongs to the server, and `#` is never sent.
"""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from city.errors import ConfigError

T = TypeVar("T")


class SourceSpec(msgspec.Struct, frozen=True):
    """The address of a driver's input, empty for the driver's default; and options as written."""

    address: str = ""
    options: dict[str, str] = {}


def parse_source(text: str) -> SourceSpec:
    """Parse a `--source`.

    Raises:
        ConfigError: An option has no value or is repeated, or there is a password, which every user of the machine
            could read in the list of processes.
    """
    address, _, rest = text.partition("#")
    if _has_password(address):
        raise ConfigError("--source: a password does not belong on the command line; set KOTA_SENSOR_PASSWORD")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if not equals or name in options:
            raise ConfigError(f"--source: {part!r} is not one NAME=VALUE of several different ones")
        options[name] = value
    return SourceSpec(address, options)


def options_of(source: SourceSpec, as_type: type[T]) -> T:
    """The options as the driver's struct, which forbids unknown fields.

    Raises:
        ConfigError: One is unknown or out of range.
    """
    try:
        return msgspec.convert(source.options, as_type, strict=False)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"--source: {exc}") from exc


def host_and_port(address: str, default_port: int) -> tuple[str, int]:
    """Parse `host`, `host:port` or `[::1]:port`.

    Raises:
        ConfigError: It is none of these.
    """
    try:
        parts = urlsplit(f"//{address}")
        port = default_port if parts.port is None else parts.port
    except ValueError as exc:
        raise ConfigError(f"--source: {address!r}: {exc}") from exc
    if not parts.hostname or parts.netloc != address or parts.username is not None:
        raise ConfigError(f"--source: {address!r} is not HOST or HOST:PORT")
    if not _is_name(parts.hostname):
        raise ConfigError(f"--source: {parts.hostname!r} is no name of a host")
    return parts.hostname, port


def url_of(address: str, schemes: tuple[str, ...], hint: str) -> SplitResult:
    """The parts of a URL with one of these schemes.

    Raises:
        ConfigError: It is none; the message is the hint, because a URL in the inventory may have a password.
    """
    try:
        parts = urlsplit(address)
        usable = parts.port != 0 and parts.scheme in schemes and address.isascii() and _is_name(parts.hostname or "")
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"--source: {hint}")
    return parts


def _is_name(host: str) -> bool:
    """Whether a host name is valid."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _has_password(address: str) -> bool:
    try:
        return urlsplit(address).password is not None
    except ValueError:
        return "@" in address
