"""Access to an OpenWrt's ubus: the program `ubus` on the router itself, or JSON-RPC over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import urllib.request
from typing import Any, Final, Protocol

from city.errors import KotaError, RetryLaterError

CALL_S: Final = 5.0
ANSWER_MAX_BYTES: Final = 1 << 20
NO_SESSION: Final = "0" * 32
DENIED: Final = -32002
SESSION_S: Final = 3600
STATUS: Final = {2: "invalid argument", 4: "not there", 5: "no data", 6: "permission denied", 7: "timed out"}
"""Error codes of ubus. Source: libubus, `enum ubus_msg_status`."""


class UbusRefusedError(KotaError):
    """ubus refuses this call: the object is not installed, or the user has no right."""


class Ubus(Protocol):
    """A router's ubus."""

    @property
    def processors(self) -> int | None:
        """Cores of the router, None when unknown."""

    def call(self, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The response to one call, within `CALL_S`.

        Raises:
            UbusRefusedError: This call is refused, others may not be.
            RetryLaterError: ubus cannot be reached.
        """


class LocalUbus:
    """Calls through the program.

    Args:
        program: Its name or path.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    @property
    def processors(self) -> int | None:
        """Cores of this machine, which is the router."""
        return os.cpu_count()

    def call(self, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run the program once."""
        command = [self._program, "call", path, method, json.dumps(arguments)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=CALL_S, check=False)  # noqa: S603 - no shell
        except (OSError, subprocess.TimeoutExpired) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else f"no answer within {CALL_S:.0f} s"
            raise RetryLaterError(f"{self._program}: {reason}") from exc
        if done.returncode:
            raise UbusRefusedError(f"{path} {method}: {STATUS.get(done.returncode, done.returncode)}")
        return _object(done.stdout or b"{}", f"{path} {method}")


class HttpUbus:
    """Calls over HTTP; an expired session is renewed.

    Args:
        url: URL of `/ubus` on the router.
        user: An account of its rpcd, empty for anonymous access.
        password: Its password.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._user = user
        self._password = password
        self._session = ""
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def processors(self) -> int | None:
        """Unknown: ubus does not report it."""
        return None

    def call(self, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call once, twice when the session has expired."""
        if not self._session:
            self._session = self._begin()
        answer = self._post(self._session, path, method, arguments)
        if _is_denied(answer) and self._user:
            self._session = self._begin()
            answer = self._post(self._session, path, method, arguments)
        return _result(answer, f"{path} {method}")

    def _begin(self) -> str:
        """Open a session; return its id.

        Raises:
            RetryLaterError: The router rejects the account.
        """
        if not self._user:
            return NO_SESSION
        login = {"username": self._user, "password": self._password, "timeout": SESSION_S}
        try:
            begun = _result(self._post(NO_SESSION, "session", "login", login), "session login")
        except UbusRefusedError as exc:
            raise RetryLaterError(f"{self._user!r} may not log in at the router ({exc})") from exc
        return str(begun.get("ubus_rpc_session", NO_SESSION))

    def _post(self, session: str, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": [session, path, method, arguments]}
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked where the source is read
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=CALL_S) as answer:
                text = answer.read(ANSWER_MAX_BYTES)
        except (OSError, http.client.HTTPException) as exc:
            raise RetryLaterError(f"{self._url}: {exc}") from exc
        try:
            return _object(text, self._url)
        except UbusRefusedError as exc:
            raise RetryLaterError(str(exc)) from exc


def _is_denied(answer: dict[str, Any]) -> bool:
    error = answer.get("error")
    return isinstance(error, dict) and error.get("code") == DENIED


def _result(answer: dict[str, Any], what: str) -> dict[str, Any]:
    """The object in `{"result": [status, object]}`."""
    match answer.get("result"):
        case [0, dict(content)]:
            return content
        case [0]:
            return {}
        case [int(status), *_]:
            raise UbusRefusedError(f"{what}: {STATUS.get(status, status)}")
    raise UbusRefusedError(f"{what}: {'permission denied' if _is_denied(answer) else 'no result'}")


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UbusRefusedError(f"{what}: not JSON") from exc
    if not isinstance(answer, dict):
        raise UbusRefusedError(f"{what}: no object")
    return answer
