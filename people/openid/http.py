"""Requests to a provider: no redirect, a bounded answer, a deadline, and its errors as ours."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import requests
import urllib3

from people.openid.addresses import is_loopback
from people.openid.errors import ProviderAwayError, SignInRefusedError, clip

ANSWER_BYTES_MAX: Final = 512 * 1024
"""Discovery documents and key sets of large providers have less than 20 kB."""
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 20.0
"""From the request to the last byte of the answer."""
RETRY_AFTER_S_MAX: Final = 3600.0
_CHUNK_BYTES: Final = 16 * 1024
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


class ProviderAnswer(msgspec.Struct, frozen=True):
    """A status below 500, and a JSON object."""

    status: int
    content: dict[str, object]


class BearerAuth(requests.auth.AuthBase):
    """A bearer token, or nothing. A request with an `auth` ignores the user's `.netrc`."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class ProviderHttp:
    """Requests to one provider; each has a connection of its own. Thread-safe.

    Args:
        ca_file: Certificate authorities in PEM form; None means the public ones.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._verify: str | bool = str(ca_file) if ca_file else True

    def get(self, url: str, bearer: str = "") -> ProviderAnswer:
        """Get a JSON object.

        Raises:
            ProviderAwayError: There is no answer in time, or the answer says that the provider is unavailable.
            SignInRefusedError: `provider_answer`: the answer is a redirect, too large or no JSON object.
        """
        return self._send("GET", url, BearerAuth(bearer), None)

    def post(self, url: str, form: Mapping[str, str], auth: requests.auth.AuthBase) -> ProviderAnswer:
        """Post a form, get a JSON object; the errors are those of `get`."""
        return self._send("POST", url, auth, form)

    def _send(
        self, method: str, url: str, auth: requests.auth.AuthBase, form: Mapping[str, str] | None
    ) -> ProviderAnswer:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        try:
            with requests.Session() as session:
                session.trust_env = not is_loopback(url)  # no proxy reaches this machine's loopback interface
                with session.request(
                    method,
                    url,
                    data=form,
                    auth=auth,
                    headers=_HEADERS,
                    verify=self._verify,
                    timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    _require_status(response)
                    return ProviderAnswer(response.status_code, _json_object(_body(response, deadline)))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as exc:
            raise ProviderAwayError(f"the provider does not answer: {type(exc).__name__}") from exc


def _require_status(response: requests.Response) -> None:
    status = response.status_code
    if status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
        raise ProviderAwayError(f"the provider answers with status {status}", _retry_after_s(response))
    if 300 <= status < 400:  # noqa: PLR2004 - redirects, RFC 9110, section 15.4
        raise SignInRefusedError("provider_answer", f"status {status}: redirects are not followed")
    if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
        raise SignInRefusedError("provider_answer", f"content encoding {encoding}, which was not asked for")


def _retry_after_s(response: requests.Response) -> float | None:
    """The seconds of `Retry-After`; None for its other form, a date."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdigit() else None


def _body(response: requests.Response, deadline: float) -> bytes:
    """The whole body. `read1` returns what has arrived, so that a slow answer meets the deadline."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise SignInRefusedError("provider_answer", f"more than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise ProviderAwayError(f"the provider's answer takes longer than {ANSWER_TIMEOUT_S:.0f} s")
    return bytes(body)


def _json_object(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SignInRefusedError("provider_answer", f"no JSON object: {clip(str(exc))}") from exc
