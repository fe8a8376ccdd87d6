from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from city.runtime.certificates import CA, CERTIFICATE, KEY, ensure_certificates
from people.openid import http
from people.openid.client import OpenIdClient
from people.openid.documents import FAILURE_PAUSE_S
from people.openid.errors import ProviderAwayError
from people.openid.http import ProviderAnswer, ProviderHttp
from people.openid.metadata import fetch_metadata
from tests.support.openid_provider import DISCOVERY, REDIRECT_URI, FakeProvider, Reply, fake_provider
from tests.support.openid_sign_in import SteppedClock, now, openid_settings, refusal, sign_in


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://other.test"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": 7},
        {"token_endpoint": "http://provider.test/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": "http://user@127.0.0.1/jwks"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://a.test/\r\nSet-Cookie: a"},
        {"userinfo_endpoint": "http://provider.test/userinfo"},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
def test_a_wrong_discovery_document_is_refused(
    provider: FakeProvider, client: OpenIdClient, discovery: dict[str, object]
) -> None:
    provider.discovery = discovery
    assert refusal(lambda: client.authorization_request(REDIRECT_URI, now())) == "metadata"


def test_the_issuer_matches_to_the_last_character(provider: FakeProvider) -> None:
    client = OpenIdClient(openid_settings(provider, issuer=f"{provider.issuer}/"))
    assert refusal(lambda: client.authorization_request(REDIRECT_URI, now())) == "metadata"


PATHS = [DISCOVERY, "/jwks", "/token", "/userinfo"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(302, b"{}", {"Location": "/elsewhere"}),
        Reply(307, b"{}", {"Location": "/elsewhere"}),
        Reply(200, b'{"a": "' + b"x" * 600_000 + b'"}'),
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        Reply(200, b"\xff\xfe"),
        Reply(200, b"[" * 100_000),
        Reply(200, b""),
        Reply(404, b"{}"),
        Reply(200, b"{}", {"Content-Encoding": "gzip"}),
    ],
    ids=["302", "307", "huge", "html", "array", "bytes", "deep", "empty", "404", "gzip"],
)
def test_an_answer_of_another_form_is_refused(
    provider: FakeProvider, client: OpenIdClient, path: str, reply: Reply
) -> None:
    provider.claims = {}
    provider.replies[path] = lambda: reply
    assert refusal(lambda: sign_in(provider, client)) == "provider_answer"
    assert provider.requests["/elsewhere"] == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_an_unavailable_provider_is_away(provider: FakeProvider, client: OpenIdClient, path: str, status: int) -> None:
    provider.claims = {}
    provider.replies[path] = lambda: Reply(status, b"<html>" * 1000, {"Retry-After": "7"})
    with pytest.raises(ProviderAwayError) as caught:
        sign_in(provider, client)
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "nan", "²"])
def test_an_unusual_retry_after_means_none(provider: FakeProvider, client: OpenIdClient, retry_after: str) -> None:
    provider.replies[DISCOVERY] = lambda: Reply(503, b"", {"Retry-After": retry_after})
    with pytest.raises(ProviderAwayError) as caught:
        client.authorization_request(REDIRECT_URI, now())
    assert caught.value.retry_after_s is None


def test_an_answer_in_chunks_is_read_to_its_end(provider: FakeProvider, client: OpenIdClient) -> None:
    def reply() -> Reply:
        body = Reply.of(provider.document()).body
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:], b""))
        return Reply(200, chunks, {"Transfer-Encoding": "chunked"})

    provider.replies[DISCOVERY] = reply
    assert sign_in(provider, client).subject == "person-1"


def test_a_cut_answer_means_away(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.replies[DISCOVERY] = lambda: Reply(200, b'{"a": 1}', {"Content-Length": "1000"})
    with pytest.raises(ProviderAwayError):
        client.authorization_request(REDIRECT_URI, now())


def test_a_silent_provider_is_away(
    provider: FakeProvider, client: OpenIdClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def wait() -> Reply:
        released.wait(30)
        return Reply(200, b"{}")

    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.1)
    provider.replies[DISCOVERY] = wait
    with pytest.raises(ProviderAwayError):
        client.authorization_request(REDIRECT_URI, now())
    released.set()


def test_a_slow_answer_meets_its_deadline(
    provider: FakeProvider, client: OpenIdClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_TIMEOUT_S", 0.0)
    with pytest.raises(ProviderAwayError, match="longer"):
        client.authorization_request(REDIRECT_URI, now())
    assert provider.requests[DISCOVERY] == 1


def test_a_provider_that_is_away_is_asked_again_after_a_pause(
    provider: FakeProvider, client: OpenIdClient, clock: SteppedClock
) -> None:
    provider.replies[DISCOVERY] = lambda: Reply(503, b"")
    for _ in range(5):
        with pytest.raises(ProviderAwayError):
            client.authorization_request(REDIRECT_URI, now())
    assert provider.requests[DISCOVERY] == 1
    del provider.replies[DISCOVERY]
    clock.now_s += FAILURE_PAUSE_S
    assert sign_in(provider, client).subject == "person-1"


def test_nobody_listening_means_away() -> None:
    with fake_provider() as provider:
        client = OpenIdClient(openid_settings(provider))
    with pytest.raises(ProviderAwayError):
        client.authorization_request(REDIRECT_URI, now())


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    ensure_certificates(tmp_path, ["127.0.0.1"], now())
    return tmp_path


@pytest.fixture
def tls_provider(certificates: Path) -> Iterator[FakeProvider]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / CERTIFICATE, certificates / KEY)
    with fake_provider(context) as provider:
        yield provider


def test_a_provider_of_a_private_authority_needs_its_certificate(
    tls_provider: FakeProvider, certificates: Path
) -> None:
    assert sign_in(tls_provider, OpenIdClient(openid_settings(tls_provider, ca_file=certificates / CA))).subject
    with pytest.raises(ProviderAwayError, match="SSLError"):
        OpenIdClient(openid_settings(tls_provider)).authorization_request(REDIRECT_URI, now())


class RemoteProviderHttp(ProviderHttp):
    """A provider elsewhere, which names an endpoint on this machine."""

    def get(self, url: str, bearer: str = "") -> ProviderAnswer:
        issuer = "https://id.test"
        assert (url, bearer) == (f"{issuer}{DISCOVERY}", "")
        document = {"issuer": issuer, "authorization_endpoint": f"{issuer}/a", "jwks_uri": f"{issuer}/jwks"}
        return ProviderAnswer(200, {**document, "token_endpoint": "http://127.0.0.1:8086/token"})


def test_a_provider_elsewhere_names_no_http_endpoint_of_this_machine() -> None:
    assert refusal(lambda: fetch_metadata(RemoteProviderHttp(), "https://id.test")) == "metadata"


def test_sign_ins_at_the_same_time_fetch_a_document_once(provider: FakeProvider, client: OpenIdClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        identities = list(pool.map(lambda _: sign_in(provider, client), range(16)))
    assert {identity.subject for identity in identities} == {"person-1"}
    assert (provider.requests[DISCOVERY], provider.requests["/jwks"]) == (1, 1)


@pytest.mark.parametrize(
    "answer", [{}, {"id_token": 7, "token_type": "Bearer"}, {"id_token": "a.b.c", "access_token": "a"}]
)
def test_a_token_answer_without_token_is_refused(
    provider: FakeProvider, client: OpenIdClient, answer: dict[str, object]
) -> None:
    provider.replies["/token"] = lambda: Reply.of(answer)
    assert refusal(lambda: sign_in(provider, client)) == "provider_answer"


@pytest.mark.parametrize("error", [{"a": 1}, ["server_error"], 7, "x" * 5000])
def test_an_error_of_any_form_is_refused(provider: FakeProvider, client: OpenIdClient, error: object) -> None:
    provider.replies["/token"] = lambda: Reply.of({"error": error, "error_description": error}, 400)
    assert refusal(lambda: sign_in(provider, client)) == "provider_refused"


def test_the_user_s_netrc_and_proxy_have_no_effect(
    provider: FakeProvider, client: OpenIdClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    provider.claims = {}
    provider.userinfo["name"] = "Maria"
    assert sign_in(provider, client).name == "Maria"
