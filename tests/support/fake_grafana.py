"""A told HTTP server that plays Grafana's API: keeps what it is given, and answers as versions of Grafana do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote

TOKEN: Final = "token-of-a-test-grafana"  # noqa: S105
_PROVISIONING: Final = "/api/v1/provisioning"
_NO_RULE: Final = "could not find alert rule"
_UNKNOWN_TO_9: Final = ("isPaused", "keep_firing_for")
_DURATIONS: Final = ("for", "keep_firing_for")


def _as_kept(policies: dict[str, Any]) -> dict[str, Any]:
    """Notification policies as Grafana returns them: with the matchers of each route sorted by name."""
    routes = [
        {**route, "object_matchers": sorted(route["object_matchers"]), "provenance": "api"}
        for route in policies["routes"]
    ]
    return {**policies, "routes": routes}


def _duration(text: str) -> str:
    """A duration as a rule's is returned: `10m` as `10m0s`."""
    return f"{text}0s" if text.endswith("m") else text


class FakeGrafana:
    """What it has been given, by path, and every request that changed something.

    `old` lacks the provisioning API of alerts, as before version 9.1. `files` keeps alert rules from provisioning
    files, which the API may not change. Version 9.4 drops the fields of a rule that it does not know, refuses states
    that it does not know, and answers 500 for a rule that it does not have.
    """

    def __init__(self, *, old: bool = False, files: bool = False, version: str = "12.4.2") -> None:
        """Empty but for the root of notification policies, which every Grafana has."""
        self.old = old
        self.files = files
        self.version = version
        self.kept: dict[str, Any] = {}
        self.policies: dict[str, Any] = {
            "receiver": "grafana-default-email",
            "routes": [{"receiver": "city-hall", "object_matchers": [["team", "=", "mayor"]]}],
        }
        self.changes: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and body of an answer."""
        if method != "GET":
            self.changes.append(f"{method} {path}")
        if path.startswith(_PROVISIONING):
            return self._alerting(method, path.removeprefix(_PROVISIONING), body)
        if path == "/api/health":
            return 200, {"database": "ok", "version": self.version}
        if path == "/api/folders" and method == "GET":
            return 200, []
        if path == "/api/dashboards/db":
            self.kept[f"/api/dashboards/uid/{body['dashboard']['uid']}"] = {"dashboard": body["dashboard"], "meta": {}}
            return 200, {"status": "success"}
        if method == "POST":
            path = {"/api/datasources": "/api/datasources/uid"}.get(path, path) + f"/{body['uid']}"
        if method == "GET":
            return self._kept(path)
        if path.startswith("/api/datasources"):
            secrets = body.pop("secureJsonData")
            body["secureJsonFields"] = dict.fromkeys(secrets, True)
        self.kept[path] = body
        return 200, {}

    def _kept(self, path: str) -> tuple[int, Any]:
        return (200, self.kept[path]) if path in self.kept else (404, {"message": "not found"})

    def _alerting(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.old:
            return 404, {"message": "not found"}
        if self.files and method != "GET":
            return 409, {"message": "cannot change provenance from 'file' to 'api'"}
        if path == "/policies":
            self.policies = self.policies if method == "GET" else _as_kept(body)
            return 200, self.policies
        return self._group(method, path, body) if path.startswith("/folder/") else self._listed(method, path, body)

    def _listed(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "GET" and path in ("/contact-points", "/mute-timings"):
            return 200, [value for name, value in self.kept.items() if name.startswith(f"{path}/")]
        if method == "GET":
            is_missing_rule = path.startswith("/alert-rules/") and path not in self.kept
            if is_missing_rule and self._is_9:
                return 500, {"message": _NO_RULE}
            # A missing template has an answer without a body there.
            return (404, None) if path.startswith("/templates/") and path not in self.kept else self._kept(path)
        if path.startswith("/templates/"):
            self.kept[path] = {"name": path.rsplit("/", 1)[1], **body, "provenance": "api"}
            return 202, self.kept[path]
        if path.startswith("/alert-rules"):
            if self._is_9 and "KeepLast" in (body["noDataState"], body["execErrState"]):
                return 400, {"message": "unknown state: KeepLast"}
            body = {key: value for key, value in body.items() if not (self._is_9 and key in _UNKNOWN_TO_9)}
            body = {key: _duration(value) if key in _DURATIONS else value for key, value in body.items()}
        name = body.get("uid") or body["name"]
        self.kept[path if path.endswith(f"/{name}") else f"{path}/{name}"] = body
        return 200, body

    @property
    def _is_9(self) -> bool:
        return self.version.startswith("9.")

    def _group(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        name = path.rsplit("/", 1)[1]
        rules = [rule for key, rule in self.kept.items() if key.startswith("/alert-rules/")]
        if not any(rule["ruleGroup"] == name for rule in rules):
            return 404, {"message": "not found"}
        if method == "PUT":
            self.kept[path] = body
        return 200, self.kept.get(path, {"title": name, "interval": 60})


@contextmanager
def fake_grafana(grafana: FakeGrafana) -> Iterator[FakeGrafana]:
    """Serve it on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            let_in = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status, content = (
                grafana.answer(self.command, unquote(self.path), body) if let_in else (401, {"message": "no"})
            )
            sent = json.dumps(content).encode() if content is not None else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="fake-grafana", daemon=True)
    thread.start()
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
