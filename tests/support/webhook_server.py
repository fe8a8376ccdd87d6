"""A webhook of the tests' own on loopback: it keeps what it gets, and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """A message that came."""

    path: str
    key: str
    title: str
    body: str
    raw: dict[str, Any]


class WebhookServer(ThreadingHTTPServer):
    """Answers `status` with `headers`; while `holds` is set it takes the message and gives no answer."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[Posted] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.holds = threading.Event()
        self.released = threading.Event()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.scheme = "jsons" if tls else "json"

    @property
    def port(self) -> int:
        """Its port."""
        return self.server_address[1]

    def url(self, path: str = "hook", secret: str = "kata-sandi-rahasia") -> str:  # noqa: S107 - of a server that lives for a test
        """Its address in the notation of apprise."""
        return f"{self.scheme}://kota:{secret}@127.0.0.1:{self.port}/{path}"

    def times(self) -> Counter[str]:
        """How often each key came."""
        return Counter(message.key for message in self.posted)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: WebhookServer

    def do_POST(self) -> None:
        """Keep the message and answer."""
        raw = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Idempotency-Key", "")
        self.server.posted.append(Posted(self.path, key, raw["title"], raw["message"], raw))
        if self.server.holds.is_set():
            self.server.released.wait(60)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own
        """Say nothing."""


@contextmanager
def running_webhook(tls: ssl.SSLContext | None = None) -> Iterator[WebhookServer]:
    """Run one."""
    with WebhookServer(tls) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
