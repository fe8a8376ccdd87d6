"""Certificates of the city's own authority for its broker; devices are configured to trust that authority."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from city.errors import ConfigError, StorageError
from city.storage.atomic_files import replace_file

CA_KEY: Final = "ca.key"
CA: Final = "ca.crt"
KEY: Final = "server.key"
CERTIFICATE: Final = "server.crt"

AUTHORITY_DAYS: Final = 3_650
SERVER_DAYS: Final = 825
RENEW_BEFORE: Final = timedelta(days=30)
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_CLOCK_SKEW: Final = timedelta(days=1)
"""Devices whose clock is a little behind accept a new certificate."""


def names_of(host: str, given: Iterable[str] = ()) -> list[str]:
    """Names and addresses by which devices may connect to a broker that listens on `host`."""
    mine = [socket.gethostname(), *_addresses()] if ipaddress_or_none(host) in _UNSPECIFIED else [host]
    return list(dict.fromkeys([*_HERE, *mine, *given]))


def ensure_certificates(folder: Path, names: Sequence[str], now: datetime) -> bool:
    """Make certificates that are missing or expire soon; returns whether any was made.

    A new certificate keeps the names of the one before it, so that a name given once stays. The city's own files stay
    as they are: without our authority's key there, nothing is made over a certificate.

    Args:
        folder: Where they are kept.
        names: What the certificate is for: host names and addresses.
        now: The time, UTC.

    Raises:
        ConfigError: A file is no certificate or key, or lacks the other that belongs to it.
        StorageError: A file cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {name for name in (CA_KEY, CA, KEY, CERTIFICATE) if (folder / name).exists()}
        if CA_KEY not in there and {CA, KEY, CERTIFICATE} <= there:
            return False
        if there - {CA_KEY, CA} and CA_KEY not in there:
            raise ConfigError(f"{folder}: a certificate of your own needs {CA}, {CERTIFICATE} and {KEY}")
        if {CA_KEY, CA} - there:
            _make_authority(folder, now)
        elif {KEY, CERTIFICATE} <= there and _is_good(folder, names, now):
            return False
        named = _names_in(folder) if CERTIFICATE in there else []
        _make_server(folder, list(dict.fromkeys([*names, *named])), now)
    except ValueError as exc:
        raise ConfigError(f"{folder}: {exc}") from exc
    except OSError as exc:
        raise StorageError(f"{folder}: {exc}") from exc
    return True


def _is_good(folder: Path, names: Sequence[str], now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    return set(names) <= set(_names_in(folder)) and certificate.not_valid_after_utc - now > RENEW_BEFORE


def _names_in(folder: Path) -> list[str]:
    """Names in the existing certificate; empty if there is none."""
    certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in listed]


def _make_authority(folder: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jaga Kota")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    made = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    replace_file(folder / CA_KEY, _pem(key))
    replace_file(folder / CA, made.public_bytes(Encoding.PEM), mode=0o644)


def _make_server(folder: Path, names: Sequence[str], now: datetime) -> None:
    authority = x509.load_pem_x509_certificate((folder / CA).read_bytes())
    signer = load_pem_private_key((folder / CA_KEY).read_bytes(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{folder / CA_KEY}: is no key of ours")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        _builder(subject, authority.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    replace_file(folder / KEY, _pem(key))
    replace_file(folder / CERTIFICATE, made.public_bytes(Encoding.PEM), mode=0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _general(name: str) -> x509.GeneralName:
    address = ipaddress_or_none(name)
    return x509.IPAddress(address) if address else x509.DNSName(name)


def ipaddress_or_none(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, None for anything else."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_UNSPECIFIED: Final = (ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::"))  # noqa: S104 - compared


def _addresses() -> list[str]:
    """This machine's addresses, as far as its host name resolves to them."""
    try:
        infos = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(info[4][0]).partition("%")[0] for info in infos})
