"""Real OpenID Connect providers for tests, each a process of its own on free loopback ports."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import requests

from tests.support.brokers import free_port
from tests.support.hydra_build import cached, missing
from tests.support.require import skip_without
from tests.support.waiting import wait_for

TIMEOUT_S: Final = 30
REDIRECT_URI: Final = "http://127.0.0.1/login/openid/callback"


class OpenIdServer:
    """A provider's process. Its issuer is its address."""

    _command: Sequence[str]
    _variables: Mapping[str, str]

    def __init__(self, folder: Path) -> None:
        """Choose the port; nothing starts."""
        self._log = folder / "provider.log"
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={**os.environ, **self._variables}
            )
        wait_for(self._is_ready, f"{self.issuer}\n{self.log()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait(20)

    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _is_ready(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log()
        return requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=TIMEOUT_S).ok


class MockServer(OpenIdServer):
    """The wheel `oidc-provider-mock`, with a form on which a person enters a subject; it accepts every client."""

    def __init__(self, folder: Path, users: Sequence[dict[str, Any]]) -> None:
        """Choose the port and the persons, each with its claims."""
        super().__init__(folder)
        port = str(urlsplit(self.issuer).port)
        claims = [part for user in users for part in ("--user-claims", json.dumps(user))]
        self._command = [sys.executable, "-m", "oidc_provider_mock", "--port", port, "--require-nonce", "true", *claims]
        self._variables = {}

    def submit(self, url: str, form: Mapping[str, str]) -> dict[str, str]:
        """Open the page, submit its form, return the callback's parameters."""
        with requests.Session() as browser:
            page = browser.get(url, timeout=TIMEOUT_S)
            assert page.ok, page.text
            assert '<input type="text" name="sub"' in page.text
            answer = browser.post(url, form, allow_redirects=False, timeout=TIMEOUT_S)
        return callback_of(answer)


class HydraServer(OpenIdServer):
    """Ory Hydra with its database in memory; tests accept login and consent at its administration port."""

    def __init__(self, folder: Path) -> None:
        """Choose the ports; skips where Hydra is not built."""
        skip_without(missing())
        super().__init__(folder)
        self._admin = f"http://127.0.0.1:{(port := free_port())}/admin"
        self._command = [str(cached()), "serve", "all", "--dev", "--sqa-opt-out"]
        self._variables = {
            "DSN": "memory",
            "SECRETS_SYSTEM": secrets.token_hex(16),
            "SERVE_ADMIN_HOST": "127.0.0.1",
            "SERVE_ADMIN_PORT": str(port),
            "SERVE_PUBLIC_HOST": "127.0.0.1",
            "SERVE_PUBLIC_PORT": str(urlsplit(self.issuer).port),
            "URLS_CONSENT": "http://127.0.0.1:1/consent",
            "URLS_LOGIN": "http://127.0.0.1:1/login",
            "URLS_SELF_ISSUER": self.issuer,
        }

    def register(self, client_id: str, **fields: Any) -> None:
        """Register a client."""
        grants = {"grant_types": ["authorization_code"], "response_types": ["code"], "redirect_uris": [REDIRECT_URI]}
        client = {"client_id": client_id, "scope": "openid profile email", **grants, **fields}
        answer = requests.post(f"{self._admin}/clients", json=client, timeout=TIMEOUT_S)
        assert answer.status_code == 201, answer.text

    def consent(self, url: str, subject: str, claims: Mapping[str, Any]) -> dict[str, str]:
        """A browser whose person signs in and agrees; returns the callback's parameters."""
        scopes = parse_qs(urlsplit(url).query)["scope"][0].split()
        with requests.Session() as browser:
            url = self._accept("login", _location(browser, url), {"subject": subject})
            url = self._accept(
                "consent", _location(browser, url), {"grant_scope": scopes, "session": {"id_token": claims}}
            )
            return callback_of(browser.get(url, allow_redirects=False, timeout=TIMEOUT_S))

    def _accept(self, step: str, url: str, content: Mapping[str, Any]) -> str:
        challenge = parse_qs(urlsplit(url).query)[f"{step}_challenge"][0]
        address = f"{self._admin}/oauth2/auth/requests/{step}/accept"
        answer = requests.put(address, params={f"{step}_challenge": challenge}, json=content, timeout=TIMEOUT_S)
        assert answer.ok, answer.text
        return str(answer.json()["redirect_to"])


def callback_of(answer: requests.Response) -> dict[str, str]:
    """The parameters with which a provider sends the browser back."""
    assert answer.is_redirect, answer.text
    location = answer.headers["Location"]
    assert location.startswith(f"{REDIRECT_URI}?"), location
    return {key: values[0] for key, values in parse_qs(urlsplit(location).query, strict_parsing=True).items()}


@contextmanager
def running_server(server: OpenIdServer) -> Iterator[None]:
    """Start a server and make sure that it is gone afterwards; print its log."""
    try:
        server.start()
        yield
    finally:
        server.kill()
        print(server.log()[-2000:])


def _location(browser: requests.Session, url: str) -> str:
    answer = browser.get(url, allow_redirects=False, timeout=TIMEOUT_S)
    assert answer.is_redirect, answer.text
    return answer.headers["Location"]
