"""What Grafana does with a token: its checks one by one, with the settings of docker-compose.yml.

Signatures are verified with `cryptography`, not with the library that makes them. Source: Grafana's documentation
"Configure JWT authentication", the behaviour of its `pkg/services/auth/jwt` and `pkg/services/authn/clients/jwt.go`,
and go-jose's `jwt.Claims.Validate`.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from city.cli.env_file import run as secrets_run
from tests.support.compose import read_env, services

LEEWAY_S: Final = 60
ROLES: Final = ("Viewer", "Editor", "Admin")
_COORDINATE_BYTES: Final = 32


class RefusedError(Exception):
    """Grafana does not sign anybody in with this token."""


@dataclass(frozen=True)
class GrafanaUser:
    """Who is signed in: the user whom Grafana makes or finds."""

    auth_id: str
    login: str
    name: str
    role: str
    is_grafana_admin: bool


def compose_settings(folder: Path) -> dict[str, str]:
    """The settings of `auth.jwt` in docker-compose.yml, with the variables of `kota secrets init`.

    Args:
        folder: Where the variables' file is written.
    """
    secrets_run(["init", "--out", str(folder / "grafana.env")])
    environment = services(read_env(folder / "grafana.env"))["grafana"]["environment"]
    prefix = "GF_AUTH_JWT_"
    return {name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)}


def sign_in(token: str, key_set: Path, settings: Mapping[str, str], now: datetime) -> GrafanaUser:
    """The user of a token.

    Raises:
        RefusedError: A check fails; says which.
    """
    header, claims = _verify_signature(token, json.loads(key_set.read_text(encoding="utf-8")))
    _require("kid" in header, "no key id")
    _check_times(claims, now.timestamp())
    _check_expected(claims, json.loads(settings["expect_claims"]))
    _require(isinstance(claims.get("sub"), str) and bool(claims["sub"]), "no sub")
    role = _attribute(settings["role_attribute_path"], claims)
    is_server_admin = role == "GrafanaAdmin"
    role = "Admin" if is_server_admin else role
    _require(role in ROLES or settings["role_attribute_strict"] != "true", "no role")
    login = claims.get(settings["username_claim"], "")
    _require(isinstance(login, str) and bool(login), "no login")
    may_be_admin = settings["allow_assign_grafana_admin"] == "true"
    return GrafanaUser(claims["sub"], login, claims.get("name", ""), role, is_server_admin and may_be_admin)


def decode_part(part: str) -> bytes:
    """The bytes of a part of a token, base64url without padding."""
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as exc:
        raise RefusedError("a part is not base64url") from exc


def _verify_signature(token: str, key_set: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = token.split(".")
    _require(len(parts) == 3, "not a compact JWS")
    header: dict[str, Any] = json.loads(decode_part(parts[0]))
    _require(header.get("alg") == "ES256", "the algorithm is not accepted")
    keys = [key for key in key_set["keys"] if key["kid"] == header.get("kid", "")]
    _require(bool(keys), "no key has this id")
    signature = decode_part(parts[2])
    _require(len(signature) == 2 * _COORDINATE_BYTES, "the signature has another length")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]))
    message = f"{parts[0]}.{parts[1]}".encode()
    _require(any(_is_signature(key, r, s, message) for key in keys), "the signature is wrong")
    claims: dict[str, Any] = json.loads(decode_part(parts[1]))
    return header, claims


def _is_signature(key: Mapping[str, str], r: int, s: int, message: bytes) -> bool:
    _require((key["kty"], key["crv"]) == ("EC", "P-256"), "the key is of another type")
    x, y = (int.from_bytes(decode_part(key[name]), "big") for name in ("x", "y"))
    try:
        EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key().verify(
            encode_dss_signature(r, s), message, ECDSA(SHA256())
        )
    except InvalidSignature:
        return False
    return True


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        _require(
            value is None or (isinstance(value, int | float) and not isinstance(value, bool)), f"{name} is no time"
        )
    # Grafana takes a token without an end: that there is one is checked of ours.
    _require(now_s - LEEWAY_S <= claims.get("exp", now_s), "it has expired")
    _require(now_s + LEEWAY_S >= claims.get("nbf", now_s), "it is not valid yet")
    _require(now_s + LEEWAY_S >= claims.get("iat", now_s), "it is of the future")


def _check_expected(claims: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        _require(name in claims, f"{name} is missing")
        if name == "aud":
            audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
            wanted = value if isinstance(value, list) else [value]
            _require(bool(set(wanted) & set(audiences)), "aud is another")
        else:
            _require(claims[name] == value, f"{name} is another")


def _attribute(path: str, claims: Mapping[str, Any]) -> str:
    """The value of a JMESPath expression that is a plain identifier, which is all that the settings use."""
    assert re.fullmatch(r"[A-Za-z_]\w*", path), f"{path}: this reads identifiers only"
    value = claims.get(path)
    return value if isinstance(value, str) else ""


def _require(condition: bool, reason: str) -> None:  # noqa: FBT001 - as assert has it
    if not condition:
        raise RefusedError(reason)
