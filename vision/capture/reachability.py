"""Whether anybody answers at a camera's address, asked before OpenCV is made to wait there."""

from __future__ import annotations

import socket
import ssl
from typing import Final
from urllib.parse import SplitResult, urlsplit

from vision.capture.address import shown
from vision.capture.port import StreamLostError

WITHIN_S: Final = 5.0
PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def knock(address: str) -> None:
    """Ask for what every server answers; without a password, so that this is no failed login.

    Raises:
        StreamLostError: Nobody answers in time.
    """
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS[parts.scheme.lower()]
        with socket.create_connection((parts.hostname or "", port), WITHIN_S) as line, _secured(line, parts) as door:
            door.settimeout(WITHIN_S)
            door.sendall(_question(parts, port).encode())
            if not door.recv(1):
                raise StreamLostError(f"{shown(address)} hangs up")
    except (OSError, ValueError) as exc:
        # Without its cause: what cannot be parsed of an address may be a password.
        raise StreamLostError(f"{shown(address)} does not answer: {type(exc).__name__}") from None


def _secured(line: socket.socket, parts: SplitResult) -> socket.socket:
    if parts.scheme.lower() not in ("rtsps", "https"):
        return line
    # Cameras sign their own certificates, and FFmpeg does not look at them either.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(line, server_hostname=parts.hostname)


def _question(parts: SplitResult, port: int) -> str:
    host = f"{parts.hostname}:{port}"
    if parts.scheme.lower().startswith("rtsp"):
        return f"OPTIONS {parts.scheme}://{host}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n"
