"""The city's own authority: made once, renewed in time, and never over the city's own files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from city.errors import ConfigError
from city.runtime.certificates import CA, CA_KEY, CERTIFICATE, KEY, ensure_certificates, names_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ["localhost", "127.0.0.1", "mqtt.kota.example"]


def test_a_certificate_names_what_it_is_for_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    assert ensure_certificates(tmp_path, NAMES, NOW)
    authority = x509.load_pem_x509_certificate((tmp_path / CA).read_bytes())
    found = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE).read_bytes())
    found.verify_directly_issued_by(authority)
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(general_name.value) for general_name in listed] == NAMES
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (CA_KEY, KEY)} == {0o600}


def test_what_is_good_stays_and_what_runs_out_or_lacks_a_name_is_made_anew_by_the_same_authority(
    tmp_path: Path,
) -> None:
    ensure_certificates(tmp_path, NAMES, NOW)
    authority, first = (tmp_path / CA).read_bytes(), (tmp_path / CERTIFICATE).read_bytes()
    assert not ensure_certificates(tmp_path, NAMES[:2], NOW + timedelta(days=700))
    assert (tmp_path / CERTIFICATE).read_bytes() == first
    assert ensure_certificates(tmp_path, NAMES, NOW + timedelta(days=800))
    assert ensure_certificates(tmp_path, [*NAMES, "10.0.0.7"], NOW + timedelta(days=800))
    assert (tmp_path / CA).read_bytes() == authority


def test_a_name_given_once_stays_in_every_certificate_after_it(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NAMES, NOW)
    assert ensure_certificates(tmp_path, ["localhost", "10.0.0.7"], NOW)
    assert not ensure_certificates(tmp_path, [*NAMES, "10.0.0.7"], NOW)


def test_the_citys_own_certificate_stays_whatever_it_says(tmp_path: Path) -> None:
    for name in (CA, CERTIFICATE, KEY):
        (tmp_path / name).write_text("the city's own")
    assert not ensure_certificates(tmp_path, NAMES, NOW)
    (tmp_path / CA).unlink()
    with pytest.raises(ConfigError, match="a certificate of your own needs"):
        ensure_certificates(tmp_path, NAMES, NOW)
    assert (tmp_path / KEY).read_text() == "the city's own"


def test_a_damaged_authority_is_said(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NAMES, NOW)
    (tmp_path / CERTIFICATE).unlink()
    (tmp_path / CA_KEY).write_text("no key")
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        ensure_certificates(tmp_path, NAMES, NOW)


def test_a_broker_on_one_address_is_known_by_it_and_one_on_all_by_this_machines_names() -> None:
    assert "10.1.2.3" in names_of("10.1.2.3", ["mqtt.example"])
    assert names_of("10.1.2.3", ["mqtt.example"])[-1] == "mqtt.example"
    assert "0.0.0.0" not in names_of("0.0.0.0")  # noqa: S104 - compared
