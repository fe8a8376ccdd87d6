"""A small OpenID Connect provider inside the test's process; a test may change every answer of it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote_plus, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, KeySet

SECRET: Final = "a secret/of a+test"  # noqa: S105
CLIENT_ID: Final = "jaga kota"
REDIRECT_URI: Final = "https://kota.test/sign-in/callback"
DISCOVERY: Final = "/.well-known/openid-configuration"


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, content: object, status: int = 200) -> Reply:
        """A JSON answer."""
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


class ProviderRequest(NamedTuple):
    """A request's form and its Authorization header."""

    form: dict[str, str]
    authorization: str


class FakeProvider:
    """The provider. `claims` are added to each token, `replies` replace answers, `requests` counts requests."""

    def __init__(self, issuer: str) -> None:
        """Begin with one key and no code."""
        self.issuer = issuer
        self.key: Key = ECKey.generate_key("P-256", {"kid": "key-1", "use": "sig"})
        self.key_set: Any = KeySet([self.key]).as_dict(private=False)
        self.algorithm = "ES256"
        self.header: dict[str, Any] = {}
        self.claims: dict[str, Any] = {"name": "Maria Tey", "email": "maria@kota.test", "email_verified": True}
        self.userinfo: dict[str, Any] = {"sub": "person-1"}
        self.discovery: dict[str, Any] = {}
        self.client_keys: KeySet | None = None
        self.make_token: Callable[[dict[str, Any]], str] = self.sign
        self.replies: dict[str, Callable[[], Reply]] = {}
        self.requests: Counter[str] = Counter()
        self.assertions: list[jwt.Token] = []
        self._codes: dict[str, dict[str, str]] = {}

    def consent(self, url: str) -> dict[str, str]:
        """What the person's browser does: open the address, sign in, return the callback's parameters."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def rotate(self, key_id: str) -> None:
        """Sign with a new key, and publish it alone."""
        self.key = ECKey.generate_key("P-256", {"kid": key_id, "use": "sig"})
        self.key_set = KeySet([self.key]).as_dict(private=False)

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with the provider's key."""
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        registry = jws.JWSRegistry(algorithms=[self.algorithm], strict_check_header=False)
        header = {name: value for name, value in header.items() if value}
        return jwt.encode(header, claims, self.key, registry=registry)

    def reply(self, path: str, request: ProviderRequest) -> Reply:
        """The answer to a request."""
        self.requests[path] += 1
        if path in self.replies:
            return self.replies[path]()
        if path == "/token":
            return self._token(request)
        if path == "/userinfo":
            return Reply.of(self.userinfo) if request.authorization == "Bearer access-1" else Reply.of({}, 401)
        return Reply.of({DISCOVERY: self.document(), "/jwks": self.key_set}.get(path, {}))

    def document(self) -> dict[str, Any]:
        """The discovery document."""
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        endpoints = {name: f"{self.issuer}/{path}" for name, path in {**paths, "userinfo_endpoint": "userinfo"}.items()}
        supported = {"authorization_response_iss_parameter_supported": True, "scopes_supported": ["openid"]}
        return {"issuer": self.issuer, **endpoints, **supported, **self.discovery}

    def _token(self, request: ProviderRequest) -> Reply:
        query = self._codes.pop(request.form["code"], None)
        if not self._is_client(request):
            return Reply.of({"error": "invalid_client"}, 401)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(request.form["code_verifier"].encode()).digest())
        wanted = {"code_challenge": challenge.rstrip(b"=").decode(), "redirect_uri": request.form["redirect_uri"]}
        if query is None or not wanted.items() <= query.items():
            return Reply.of({"error": "invalid_grant", "error_description": "no such code"}, 400)
        times = {"iat": int(time.time()), "exp": int(time.time()) + 300}
        claims = {"iss": self.issuer, "sub": "person-1", "aud": query["client_id"], "nonce": query["nonce"], **times}
        token = self.make_token({**claims, **self.claims})
        return Reply.of({"id_token": token, "access_token": "access-1", "token_type": "Bearer"})

    def _is_client(self, request: ProviderRequest) -> bool:
        if self.client_keys is None:
            scheme, _, value = request.authorization.partition(" ")
            user, _, password = base64.b64decode(value).decode().partition(":")
            return scheme == "Basic" and (unquote_plus(user), unquote_plus(password)) == (CLIENT_ID, SECRET)
        assert request.authorization == ""
        self.assertions.append(jwt.decode(request.form["client_assertion"], self.client_keys, ["ES512"]))
        return True


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            form = {key: values[0] for key, values in parse_qs(self.rfile.read(length).decode()).items()}
            reply = provider.reply(self.path, ProviderRequest(form, self.headers.get("Authorization", "")))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815 - the library's name

        def handle(self) -> None:
            """A client that leaves is no error."""
            with suppress(OSError):
                super().handle()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


@contextmanager
def fake_provider(tls: ssl.SSLContext | None = None) -> Iterator[FakeProvider]:
    """A provider that answers on loopback, and is gone afterwards; with `tls` it answers https."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        provider = FakeProvider(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
        server.RequestHandlerClass = _handler(provider)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
