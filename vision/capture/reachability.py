"""Checks that a camera's address answers before OpenCV opens it, because OpenCV would block every other camera."""

from __future__ import annotations

import socket
import ssl
from typing import Final
from urllib.parse import SplitResult, urlsplit

from vision.capture.address import redact_address
from vision.capture.port import StreamLostError

TIMEOUT_S: Final = 5.0
PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def probe(address: str) -> None:
    """Send a request that every server answers, without credentials, so that it is no failed login.

    Raises:
        StreamLostError: The server does not answer in time.
    """
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS[parts.scheme.lower()]
        with socket.create_connection((parts.hostname or "", port), TIMEOUT_S) as tcp, _wrap_tls(tcp, parts) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.sendall(_request(parts, port).encode())
            if not sock.recv(1):
                raise StreamLostError(f"{redact_address(address)} closes the connection")
    except (OSError, ValueError) as exc:
        # Without its cause: what cannot be parsed of an address may be a password.
        raise StreamLostError(f"{redact_address(address)} does not answer: {type(exc).__name__}") from None


def _wrap_tls(sock: socket.socket, parts: SplitResult) -> socket.socket:
    if parts.scheme.lower() not in ("rtsps", "https"):
        return sock
    # Cameras sign their own certificates, and FFmpeg does not look at them either.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname=parts.hostname)


def _request(parts: SplitResult, port: int) -> str:
    host = f"{parts.hostname}:{port}"
    if parts.scheme.lower().startswith("rtsp"):
        return f"OPTIONS {parts.scheme}://{host}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n"
