"""A minimal RTSP client for camera health; nothing is decoded.

Libraries that speak RTSP bring a video decoder of tens of megabytes.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import parse_http_list, parse_keqv_list

import msgspec

from city.errors import RetryLaterError

PORT: Final = {"rtsp": 554, "rtsps": 322}
HEAD_MAX_BYTES: Final = 65_536
BODY_MAX_BYTES: Final = 262_144
READ_BYTES: Final = 65_536
UNAUTHORIZED: Final = 401
OK: Final = 200
INTERLEAVED: Final = b"$"
INTERLEAVED_HEAD_BYTES: Final = 4
INTERLEAVED_MAX_BYTES: Final = INTERLEAVED_HEAD_BYTES + 0xFFFF
HASHES: Final = {"MD5": "md5", "SHA-256": "sha256"}
AGENT: Final = "jaga-kota"


class RtspError(RetryLaterError):
    """The camera refuses or answers wrongly; the message has its answer."""


class RtspResponse(msgspec.Struct, frozen=True):
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class RtspSession:
    """One connection to one camera, over TCP.

    Args:
        address: `rtsp://` or `rtsps://`; with the account's user and password.
        timeout_s: Timeout of a response.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        """Connect.

        Raises:
            OSError: Nobody listens there.
        """
        parts = urlsplit(address)
        host = parts.hostname or ""
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._timeout_s = timeout_s
        self._challenge = ""
        self._number = 0
        self._session = ""
        self._pending = bytearray()
        self._socket = socket.create_connection((host, parts.port or PORT[parts.scheme]), timeout=timeout_s)
        if parts.scheme == "rtsps":
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=host)

    def request(self, method: str, url: str, **headers: str) -> RtspResponse:
        """Send a request and return the response; authenticates where the camera requires it.

        Raises:
            RtspError: The camera refuses, or does not answer with RTSP.
            OSError: The connection is gone, or takes too long.
        """
        answer = self._request(method, url, headers)
        if answer.status == UNAUTHORIZED and self._user:
            self._challenge = answer.headers.get("www-authenticate", "")
            answer = self._request(method, url, headers)
        if answer.status == UNAUTHORIZED:
            raise RtspError("the camera does not take user and password")
        if answer.status != OK:
            raise RtspError(f"{method} was answered with {answer.status}")
        if session := answer.headers.get("session", "").partition(";")[0].strip():
            self._session = session
        return answer

    def packets(self, *, first_s: float, for_s: float) -> Iterator[bytes]:
        """RTP packets of the first channel: waits `first_s` for the first one and goes on for `for_s` after it.

        Raises:
            OSError: The connection is gone.
        """
        until_s, begun = time.monotonic() + first_s, False
        while time.monotonic() < until_s:
            while (channel_packet := self._next_packet()) is not None:
                channel, packet = channel_packet
                if channel == 0 and not begun:
                    begun, until_s = True, time.monotonic() + for_s
                if channel == 0:
                    yield packet
            try:
                self._read(until_s)
            except TimeoutError:
                return

    def close(self) -> None:
        """Close the connection, with TEARDOWN where there is a session."""
        if self._session:
            with contextlib.suppress(OSError):
                self._send("TEARDOWN", self.url, {})
        self._socket.close()

    def _request(self, method: str, url: str, headers: dict[str, str]) -> RtspResponse:
        self._send(method, url, headers)
        return self._answer(time.monotonic() + self._timeout_s)

    def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._number += 1
        lines = {"CSeq": str(self._number), "User-Agent": AGENT, **headers}
        if self._session:
            lines["Session"] = self._session
        if self._challenge:
            lines["Authorization"] = authorization(self._challenge, self._user, self._password, method, url)
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"{method} {url} RTSP/1.0\r\n{text}\r\n".encode())

    def _answer(self, until_s: float) -> RtspResponse:
        """The next response; packets before it are skipped."""
        while True:
            while self._pending.startswith(INTERLEAVED) and self._next_packet() is not None:
                pass
            head, end, _ = bytes(self._pending).partition(b"\r\n\r\n")
            if end and not head.startswith(INTERLEAVED):
                break
            if len(self._pending) > HEAD_MAX_BYTES + INTERLEAVED_MAX_BYTES:
                raise RtspError("what it answers is no RTSP")
            self._read(until_s)
        del self._pending[: len(head) + len(end)]
        status, headers = parse_head(head)
        length = headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > BODY_MAX_BYTES:
            raise RtspError("what it answers is no RTSP")
        while len(self._pending) < int(length):
            self._read(until_s)
        body = bytes(self._pending[: int(length)])
        del self._pending[: int(length)]
        return RtspResponse(status, headers, body)

    def _next_packet(self) -> tuple[int, bytes] | None:
        """Channel and bytes of the next complete packet; bytes between packets are skipped."""
        pending = self._pending
        start = pending.find(INTERLEAVED)
        del pending[: len(pending) if start < 0 else start]
        end = INTERLEAVED_HEAD_BYTES + int.from_bytes(pending[2:INTERLEAVED_HEAD_BYTES], "big")
        if len(pending) < max(end, INTERLEAVED_HEAD_BYTES):
            return None
        channel, packet = pending[1], bytes(pending[INTERLEAVED_HEAD_BYTES:end])
        del pending[:end]
        return channel, packet

    def _read(self, until_s: float) -> None:
        self._socket.settimeout(max(0.01, until_s - time.monotonic()))
        chunk = self._socket.recv(READ_BYTES)
        if not chunk:
            raise ConnectionResetError("the camera has closed the connection")
        self._pending += chunk


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers; of several challenges the digest's, which does not reveal the password.

    Raises:
        RtspError: It is no RTSP.
    """
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest.partition(" ")[0]
    if not version.startswith("RTSP/") or not re.fullmatch("[0-9]{3}", status):
        raise RtspError("what it answers is no RTSP")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name not in headers or value.lower().startswith("digest "):
            headers[name] = value
    return int(status), headers


def authorization(challenge: str, user: str, password: str, method: str, url: str) -> str:
    """The Authorization header for a challenge. Source: RFC 2617 and RFC 7616.

    Raises:
        RtspError: It asks for neither Basic nor Digest with MD5 or SHA-256.
    """
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() == "basic":
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    parameters = parse_keqv_list([part for part in parse_http_list(rest) if part.partition("=")[2]])
    algorithm = parameters.get("algorithm", "MD5")
    if scheme.lower() != "digest" or algorithm.upper() not in HASHES or "nonce" not in parameters:
        raise RtspError(f"the camera asks for a login that is not known: {scheme or 'none'}")

    def digest(*parts: str) -> str:
        return hashlib.new(HASHES[algorithm.upper()], ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    realm, nonce = parameters.get("realm", ""), parameters["nonce"]
    secret, request = digest(user, realm, password), digest(method, url)
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": url}
    plain = ""
    if "auth" in [quality.strip() for quality in parameters.get("qop", "").split(",")]:
        cnonce = secrets.token_hex(8)
        fields |= {"cnonce": cnonce, "response": digest(secret, nonce, "00000001", cnonce, "auth", request)}
        plain = ", qop=auth, nc=00000001"
    else:
        fields["response"] = digest(secret, nonce, request)
    if "opaque" in parameters:
        fields["opaque"] = parameters["opaque"]
    return (
        "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items()) + f"{plain}, algorithm={algorithm}"
    )
