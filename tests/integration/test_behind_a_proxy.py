"""Behind a reverse proxy each person has an address of their own, and nobody can claim another one."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest

from api.app import create_app
from city.errors import ConfigError
from city.runtime.settings import load_settings
from people.attempts import FREE
from tests.support.access import PASSWORD
from tests.support.raw_http import Answer, ask_raw, served
from tests.unit.api.conftest import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.account("viewer")
    return made


def sign_in(port: int, password: str, forwarded_for: str = "") -> Answer:
    form = urllib.parse.urlencode({"name": "viewer", "password": password})
    lines = [
        "POST /login HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}", "Connection: close",
        "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}",
    ]  # fmt: skip
    lines += [f"X-Forwarded-For: {forwarded_for}"] if forwarded_for else []
    return ask_raw(port, "\r\n".join([*lines, "", form]).encode())


def addresses(stage: Stage) -> list[str]:
    return [entry.address for entry in stage.people.audit.search(action="sign_in.failed")]


def exhaust(port: int, forwarded_for: str) -> None:
    statuses = [sign_in(port, "nonsense", forwarded_for).status for _ in range(FREE["address"] + 5)]
    assert set(statuses) == {401, 429}


def test_a_guesser_behind_a_trusted_proxy_locks_out_nobody_else(stage: Stage) -> None:
    with served(create_app(stage.context(demo=False)), trusted_proxies="127.0.0.1") as port:
        exhaust(port, "203.0.113.7")
        assert sign_in(port, PASSWORD, "203.0.113.7").status == 429
        assert sign_in(port, PASSWORD, "203.0.113.8").status == 303
    assert set(addresses(stage)) == {"203.0.113.7"}


def test_what_the_client_writes_itself_before_the_proxy_does_not_count(stage: Stage) -> None:
    with served(create_app(stage.context(demo=False)), trusted_proxies="127.0.0.1, 10.0.0.0/8") as port:
        exhaust(port, "198.51.100.1, 203.0.113.7, 10.1.2.3")
        assert sign_in(port, PASSWORD, "198.51.100.99, 203.0.113.7").status == 429, "another claim, the same client"
    assert set(addresses(stage)) == {"203.0.113.7"}


def test_without_trust_the_header_changes_nothing(stage: Stage) -> None:
    with served(create_app(stage.context(demo=False))) as port:
        for number in range(FREE["address"] + 5):
            sign_in(port, "nonsense", f"203.0.113.{number}")
        assert sign_in(port, PASSWORD, "203.0.113.200").status == 429
    assert set(addresses(stage)) == {"127.0.0.1"}


def test_an_open_demo_stays_closed_to_a_proxy_that_is_trusted(stage: Stage) -> None:
    request = "GET /api/v1/devices HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{}\r\n"
    with served(create_app(stage.context(demo=True)), trusted_proxies="127.0.0.1") as port:
        assert ask_raw(port, request.format("").encode()).status == 200
        for claim in ("127.0.0.1", "203.0.113.7", "unknown", "::1", ""):
            refused = ask_raw(port, request.format(f"X-Forwarded-For: {claim}\r\n").encode())
            assert refused.status == 403, claim


@pytest.mark.parametrize("text", ["proxy", "10.0.0.0/99", "10.0.0.1/8", "*"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        load_settings(trusted_proxies=text)
