"""The API as a service: its event loop says that it turns, and says nothing while it hangs."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from api.http.server import BeatingServer
from tests.support.brokers import free_port
from tests.support.waiting import wait_for


def test_a_loop_that_hangs_does_not_beat() -> None:
    entered, leave = threading.Event(), threading.Event()
    beats: list[int] = []

    async def app(scope: dict[str, Any], _receive: Any, _send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] == "http":
            entered.set()
            leave.wait(60)  # what no handler may do, and some day one will

    port = free_port()
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="off")
    server = BeatingServer(config, lambda: beats.append(1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: len(beats) > 3, "a loop that turns")

    def ask() -> None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).close()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    assert entered.wait(60)
    hung = len(beats)
    assert not leave.wait(1.0)
    assert len(beats) == hung, "ten beats a second, were the loop turning"
    leave.set()
    wait_for(lambda: len(beats) > hung, "a loop that turns again")
    server.should_exit = True
    thread.join(20)
    asking.join(20)
