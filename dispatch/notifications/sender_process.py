"""The server's side of a process that sends: starts it, asks for its result, and ends it at its deadline."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final, cast

import msgspec

from city.runtime.child_path import child_python_path
from dispatch.notifications.wire import SendRequest, SendResult

SENDER: Final = (sys.executable, "-m", "dispatch.notifications.sender")
DEADLINE_S: Final = 20.0
_PASSED_ON: Final = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
"""Of our environment, which has secrets of the city, only how the internet is reached."""


class SenderProcess:
    """One process, which sends one message. No method waits for it.

    Args:
        request: What it sends; its address is in no argument, which other users of the machine could see.
        command: Starts it.
        monotonic: Seconds.
    """

    def __init__(
        self,
        request: SendRequest,
        command: Sequence[str] = SENDER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._ends_at_s = monotonic() + DEADLINE_S
        self._process: subprocess.Popen[bytes] | None = None
        try:
            # A session of its own: Ctrl-C ends `kota up`, not a message on its way.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
                cwd="/",
                start_new_session=True,
            )
            with cast("IO[bytes]", self._process.stdin) as stdin:
                stdin.write(msgspec.json.encode(request))  # smaller than a pipe holds
        except OSError:
            self.end()

    @property
    def pid(self) -> int | None:
        """Its id; None if it could not be started."""
        return self._process.pid if self._process else None

    def result(self) -> SendResult | None:
        """The result; None while there is none. A process that passes its deadline is ended."""
        if self._process is None:
            return SendResult("ended")
        if self._process.poll() is None:
            if self._monotonic() < self._ends_at_s:
                return None
            self.end()
            return SendResult("timeout")
        with cast("IO[bytes]", self._process.stdout) as stdout:
            answer = stdout.read()
        try:
            return msgspec.json.decode(answer, type=SendResult)
        except msgspec.MsgspecError:
            return SendResult("ended")

    def wait(self) -> SendResult:
        """The result, waited for; for a verb of the command line."""
        while (result := self.result()) is None:
            time.sleep(0.05)
        return result

    def end(self) -> None:
        """End it by its id; what it was sending may arrive all the same."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            cast("IO[bytes]", self._process.stdout).close()


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    passed = {name: ours[name] for name in _PASSED_ON if name in ours}
    return {
        **passed,
        "PYTHONPATH": child_python_path(),
        "TZ": "UTC",
        "HOME": "/nonexistent",
    }
