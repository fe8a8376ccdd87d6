from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from city.errors import ConfigError
from people.openid.addresses import refusal_of
from people.openid.client_key import load_client_key
from people.openid.settings import FILE, OpenIdSettings, load_openid_settings

REQUIRED = 'issuer = "https://id.kota.test"\nclient_id = "kota"\n'
SECRET_LINE = 'client_secret = "secret"\n'  # noqa: S105
KEY = 'private_key = "key.pem"\n'
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def pem(key: PrivateKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def load(folder: Path, content: str, mode: int = 0o600) -> OpenIdSettings:
    return load_openid_settings(write(folder / FILE, content, mode))


def test_a_file_with_the_required_keys_has_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, REQUIRED + SECRET_LINE)
    assert settings == OpenIdSettings("https://id.kota.test", "kota", "secret")
    assert settings.scopes == ("openid", "profile", "email")


def test_a_file_may_have_every_key(tmp_path: Path) -> None:
    write(tmp_path / "key.pem", pem(ec.generate_private_key(ec.SECP521R1())))
    settings = load(
        tmp_path,
        f"""{REQUIRED}{KEY}
key_id = "key-1"
assertion_audience = "issuer"
scopes = ["openid", "groups"]
role_claim = "realm_access.roles"
[role_map]
kota-admin = "administrator"
""",
    )
    assert settings.private_key == tmp_path / "key.pem"
    assert settings.role_map == {"kota-admin": "administrator"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (REQUIRED, "either client_secret or private_key"),
        (REQUIRED + SECRET_LINE + KEY, "either client_secret or private_key"),
        ('client_id = "kota"\n' + SECRET_LINE, "missing required field `issuer`"),
        ('issuer = "https://id.kota.test"\n' + SECRET_LINE, "missing required field `client_id`"),
        (REQUIRED + SECRET_LINE + 'colour = "red"', "unknown field `colour`"),
        (REQUIRED.replace("https", "http") + SECRET_LINE, "must begin with https://"),
        (REQUIRED.replace("https://", "") + SECRET_LINE, "needs a host"),
        (REQUIRED.replace(".test", ".test?a=1") + SECRET_LINE, "it has a query"),
        (REQUIRED.replace('"kota"', '""') + SECRET_LINE, "client_id is empty"),
        (REQUIRED + "client_secret = 7", "Expected `str`"),
        (REQUIRED + SECRET_LINE + 'scopes = ["profile"]', "'openid' is one of them"),
        (REQUIRED + SECRET_LINE + 'scopes = ["openid", "a b"]', "no scope contains a space"),
        (REQUIRED + SECRET_LINE + 'role_claim = "roles"', "role_claim and role_map"),
        (REQUIRED + SECRET_LINE + '[role_map]\na = "b"', "role_claim and role_map"),
        (REQUIRED + SECRET_LINE + 'assertion_audience = "moon"', "Invalid enum value"),
        (REQUIRED + SECRET_LINE + 'ca_file = "absent.pem"', "absent.pem is unreadable: No such file"),
        (REQUIRED + SECRET_LINE + 'ca_file = "openid.toml"', "no certificate in PEM form"),
        (REQUIRED + SECRET_LINE + 'ca_file = ""', "a path is a text"),
        (REQUIRED + KEY, "key.pem is unreadable: No such file"),
        (REQUIRED + "private_key = 7", "a path is a text"),
        ("issuer = ", "Invalid value"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_reason(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / FILE}: ")
    assert message in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_openid_settings(write(tmp_path / FILE, b"\xff"))


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unreadable: No such file"):
        load_openid_settings(tmp_path / FILE)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644, 0o666])
def test_a_secret_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="open to others"):
        load(tmp_path, REQUIRED + SECRET_LINE, mode)
    write(tmp_path / "key.pem", pem(ec.generate_private_key(ec.SECP521R1())), mode)
    with pytest.raises(ConfigError, match="open to others"):
        load(tmp_path, REQUIRED + KEY)


def test_a_group_may_read_a_secret_and_anybody_a_file_without_one(tmp_path: Path) -> None:
    write(tmp_path / "key.pem", pem(ec.generate_private_key(ec.SECP521R1())), 0o640)
    assert load(tmp_path, REQUIRED + KEY, 0o644).private_key == tmp_path / "key.pem"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (rsa.generate_private_key(65537, 2048), "RS256"),
    ],
)
def test_the_key_decides_the_algorithm(tmp_path: Path, key: PrivateKey, algorithm: str) -> None:
    client_key = load_client_key(write(tmp_path / "key.pem", pem(key)), "")
    assert client_key.algorithm == algorithm
    assert client_key.key_id == client_key.key.thumbprint()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
        pem(ec.generate_private_key(ec.SECP521R1()), BestAvailableEncryption(b"password")),
    ],
    ids=["empty", "no key", "secp256k1", "ed25519", "short", "password"],
)
def test_an_unsuitable_key_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "key.pem", content)
    with pytest.raises(ConfigError, match=r"key\.pem"):
        load(tmp_path, REQUIRED + KEY)


@pytest.mark.parametrize(
    ("url", "loopback", "is_accepted"),
    [
        ("https://id.test/realms/a", False, True),
        ("http://127.0.0.1:9400", True, True),
        ("http://localhost:9400", True, True),
        ("http://[::1]:9400", True, True),
        ("http://127.0.0.1:9400", False, False),
        ("http://localhost.evil.test", True, False),
        ("http://127.0.0.1.evil.test", True, False),
        ("https://127.0.0.1@evil.test", True, False),
        ("https://id.test/#fragment", True, False),
        ("https://id.test:port", True, False),
        ("https://[id.test", True, False),
        ("https://id.tést", True, False),
        ("https://", True, False),
        ("", True, False),
    ],
)
def test_an_address_is_https_or_on_the_loopback_interface(url: str, loopback: bool, is_accepted: bool) -> None:  # noqa: FBT001
    assert (refusal_of(url, loopback=loopback) == "") == is_accepted


@given(st.text())
def test_any_text_is_an_address_or_refused(url: str) -> None:
    assert refusal_of(url, loopback=True) or url.lower().startswith("http")
