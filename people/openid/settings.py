"""The settings of a provider, from the operator's file `openid.toml`."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from city.errors import ConfigError
from people.openid.addresses import refusal_of

FILE: Final = "openid.toml"
_FORBIDDEN_MODE: Final = stat.S_IRWXO | stat.S_IWGRP
"""Others may do nothing with a secret file; a group may read it, as a container's user does."""


class OpenIdSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider, and how this project proves to it that it is its client.

    `issuer` is exactly what the provider calls itself. Either `client_secret` or `private_key` (a PEM file) is set; a
    key of the curve P-521 signs with ES512, P-384 with ES384, P-256 with ES256, RSA with RS256. `key_id` names the key
    at the provider; empty means its RFC 7638 thumbprint. `role_claim` is a claim, or the dotted path to it, and
    `role_map` gives the role of a claim's value; without both, the provider decides no role. `ca_file` replaces the
    public certificate authorities.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    private_key: Path | None = None
    key_id: str = ""
    assertion_audience: Literal["token_endpoint", "issuer"] = "token_endpoint"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    role_claim: str = ""
    role_map: dict[str, str] = {}
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if refusal := issuer_refusal(self.issuer):
            raise ConfigError(f"issuer {self.issuer!r}: {refusal}")
        if not self.client_id:
            raise ConfigError("client_id is empty")
        if bool(self.client_secret) == (self.private_key is not None):
            raise ConfigError("give either client_secret or private_key")
        if "openid" not in self.scopes or any(scope.split() != [scope] for scope in self.scopes):
            raise ConfigError("scopes: 'openid' is one of them, and no scope contains a space")
        if bool(self.role_claim) != bool(self.role_map):
            raise ConfigError("role_claim and role_map are given together")

    def __repr__(self) -> str:
        return f"OpenIdSettings(issuer={self.issuer!r}, client_id={self.client_id!r})"


def issuer_refusal(issuer: str) -> str:
    """Why a text is no issuer; empty if it is one."""
    return refusal_of(issuer, loopback=True) or ("it has a query" if urlsplit(issuer).query else "")


def load_openid_settings(path: Path) -> OpenIdSettings:
    """Read the file; relative paths in it start at its folder.

    Raises:
        ConfigError: The file or a file that it names is unreadable, open to others, or has a wrong value.
    """
    from people.openid.client_key import load_client_key  # noqa: PLC0415 - `cryptography` is needed with a key only

    try:
        content = tomllib.loads(read_file(path).decode())
        settings = msgspec.convert(content, OpenIdSettings, dec_hook=lambda _, value: _path(path.parent, value))
        if settings.client_secret:
            read_secret_file(path)
        if settings.private_key:
            load_client_key(settings.private_key, settings.key_id)
        if settings.ca_file:
            _require_certificates(settings.ca_file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, ConfigError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    return settings


def read_secret_file(path: Path) -> bytes:
    """The content of a file that only its owner, and at most its group, may read.

    Raises:
        ConfigError: The file is unreadable, or open to others.
    """
    content = read_file(path)
    if path.stat().st_mode & _FORBIDDEN_MODE:
        raise ConfigError(f"{path} contains a secret and is open to others; `chmod 600 {path}` closes it")
    return content


def read_file(path: Path) -> bytes:
    """The content of a file.

    Raises:
        ConfigError: The file is unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path} is unreadable: {exc.strerror}") from exc


def _path(folder: Path, value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("a path is a text")
    return folder / value


def _require_certificates(path: Path) -> None:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - needed with `ca_file` only

    try:
        load_pem_x509_certificates(read_file(path))
    except ValueError as exc:
        raise ConfigError(f"{path} has no certificate in PEM form") from exc
