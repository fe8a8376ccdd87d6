"""The reverse proxies of docs/grafana.md with the configuration that stands there, and a Grafana behind them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.brokers import ROOT, free_port
from tests.support.require import require_program
from tests.support.waiting import wait_for

PAGE: Final = ROOT / "docs" / "grafana.md"
API: Final = "127.0.0.1:8080"
GRAFANA: Final = "127.0.0.1:3000"
_NGINX: Final = """daemon off;
error_log stderr;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
{}
}}
"""


class GrafanaRequest(NamedTuple):
    """What has come through to Grafana; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class RecordingGrafana:
    """A server at Grafana's place that notes each request and answers 200."""

    def __init__(self) -> None:
        self.requests: list[GrafanaRequest] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                # A header that came twice must not hide behind the other.
                assert len(self.headers) == len({name.lower() for name in self.headers})
                headers = {name.lower(): value for name, value in self.headers.items()}
                requests.append(GrafanaRequest(self.command, self.path, headers, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - the base's names

            def log_message(self, *_arguments: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer requests."""
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join(10)
            self._server.server_close()


def documented(language: str) -> str:
    """The configuration in the page for a proxy."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return str(block)


@contextmanager
def running_proxy(name: str, folder: Path, api_port: int, grafana_port: int) -> Iterator[int]:
    """A proxy, nginx or Caddy, as documented, without TLS and on a free port, which this gives."""
    port = free_port()
    text = documented(name).replace(API, f"127.0.0.1:{api_port}").replace(GRAFANA, f"127.0.0.1:{grafana_port}")
    command = _nginx(text, folder, port) if name == "nginx" else _caddy(text, folder, port)
    environment = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: process.poll() is not None or _is_listening(port), name, within_s=20)
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    except BaseException:
        print((folder / "log").read_text())
        raise
    finally:
        process.terminate()
        process.wait(20)


def _is_listening(port: int) -> bool:
    socket.create_connection(("127.0.0.1", port), 5).close()
    return True


def _nginx(text: str, folder: Path, port: int) -> list[str]:
    text = re.sub(r"^ *ssl_certificate.*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    # Started by root, its workers would be another user, who may not enter the folder of the test.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + _NGINX.format(text))
    return [require_program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


def _caddy(text: str, folder: Path, port: int) -> list[str]:
    text = text.replace("kota.example {", f"http://127.0.0.1:{port} {{")
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{text}")
    return [require_program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
