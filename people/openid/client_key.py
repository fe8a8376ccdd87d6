"""The private key with which this project proves to a provider that it is its client (`private_key_jwt`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, RSAKey

from city.errors import ConfigError
from people.openid.settings import read_secret_file

RSA_BITS_MIN: Final = 2048
"""Source: RFC 7518, section 3.3."""
_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class ClientKey(NamedTuple):
    """A key, its signature algorithm, and the name under which the provider knows it."""

    key: ECKey | RSAKey
    algorithm: str
    key_id: str


def load_client_key(path: Path, key_id: str) -> ClientKey:
    """Read a private key.

    Args:
        path: The PEM file.
        key_id: Its name at the provider; empty means its RFC 7638 thumbprint.

    Raises:
        ConfigError: The file is unreadable or open to others, or has no private key of a suitable type.
    """
    pem = read_secret_file(path)
    try:
        raw = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ConfigError(f"{path} has no private key in PEM form without a password") from exc
    if isinstance(raw, RSAPrivateKey) and raw.key_size >= RSA_BITS_MIN:
        key: ECKey | RSAKey = RSAKey(raw, raw)
        return ClientKey(key, "RS256", key_id or key.thumbprint())
    if isinstance(raw, EllipticCurvePrivateKey) and raw.curve.name in _ALGORITHMS:
        key = ECKey(raw, raw)
        return ClientKey(key, _ALGORITHMS[raw.curve.name], key_id or key.thumbprint())
    raise ConfigError(f"{path}: the key is of P-256, P-384 or P-521, or RSA of at least {RSA_BITS_MIN} bits")


def public_key_set(client_key: ClientKey) -> dict[str, object]:
    """The JSON Web Key Set that an operator registers at the provider."""
    public = client_key.key.as_dict(private=False)
    return {"keys": [{**public, "use": "sig", "alg": client_key.algorithm, "kid": client_key.key_id}]}
