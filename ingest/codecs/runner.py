"""Runs codecs in the engine's process: starts it when first needed, ends it when it does not answer."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog

from city.backoff import Backoff
from city.errors import PayloadError
from city.inventory.model import Codec
from city.runtime.child_path import child_python_path
from ingest.codecs.wire import ERROR_MAX_CHARS, Request, Response, receive, send
from ingest.decoding.formats.parsing import json_value
from ingest.decoding.formats.port import RawFrame

log = structlog.get_logger("ingest")

ENGINE: Final = (sys.executable, "-m", "ingest.codecs.engine")
START_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 5.0
"""The engine bounds each call by CPU time; this bounds what its limits do not reach, on a busy machine too."""
END_WITHIN_S: Final = 0.2
REST_MIN_S: Final = 2.0
REST_MAX_S: Final = 120.0
"""A codec that ended the engine is not called for so long, so that it does not hold up the other messages."""
FORGIVEN_AFTER_S: Final = 600.0
ANSWER_MAX_BYTES: Final = 256 << 10
_CODECS_MAX: Final = 256
_ERRORS_SHOWN: Final = 3


class EngineProcess:
    """One process of the engine.

    Args:
        command: Starts it.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._link, theirs = socket.socketpair()
        self._timeout_s = START_WITHIN_S
        # Nothing of our environment: it has the city's secrets. The path makes our packages known.
        environment = {"PYTHONPATH": child_python_path(), "TZ": "UTC"}
        with theirs, contextlib.ExitStack() as on_failure:
            on_failure.callback(self._link.close)
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment, cwd="/"
            )
            on_failure.pop_all()

    def ask(self, request: Request) -> Response:
        """The answer to a request.

        Raises:
            OSError, EOFError, msgspec.MsgspecError: There is none in time, or it is none.
        """
        self._link.settimeout(self._timeout_s)
        send(self._link, request)
        response = msgspec.msgpack.decode(receive(self._link, ANSWER_MAX_BYTES), type=Response)
        self._timeout_s = ANSWER_WITHIN_S
        return response

    def end(self) -> int:
        """Kill it, unless it ends by itself at once; returns its exit code, which is negative for a signal."""
        self._link.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_WITHIN_S)
        self._process.kill()
        return self._process.wait()


class _CodecRest(msgspec.Struct):
    """Until when a codec that ended the engine is not called."""

    until_s: float = 0.0
    backoff: Backoff = msgspec.field(default_factory=lambda: Backoff(REST_MIN_S, REST_MAX_S, sure_share=1.0))


class IsolatedCodecRunner:
    """Owns the engine's process; any thread may call. One frame is decoded at a time.

    Args:
        command: Starts the engine.
        clock: Seconds, monotonic.
    """

    def __init__(self, command: Sequence[str] = ENGINE, clock: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._clock = clock
        self._lock = threading.Lock()
        self._engine: EngineProcess | None = None
        self._rests: dict[bytes, _CodecRest] = {}

    def decode(self, codec: Codec, frame: RawFrame, at: datetime) -> dict[str, Any]:
        """The values of a frame.

        Args:
            codec: The codec.
            frame: The frame.
            at: When the network server received it.

        Raises:
            PayloadError: The codec cannot decode it; says why.
        """
        request = Request(_key(codec.source), None, frame.port, frame.data, at.timestamp() * 1000)
        try:
            return _values(self._answer(codec, request))
        except PayloadError as exc:
            raise PayloadError(f"codec {codec.id}: {exc}") from exc

    def check(self, codec: Codec) -> None:
        """Load a codec.

        Raises:
            PayloadError: It cannot be evaluated, or defines no decoder.
        """
        self._answer(codec, Request(_key(codec.source), None, 0, None, 0.0))

    def _answer(self, codec: Codec, request: Request) -> str:
        with self._lock:
            answer = self._ask(codec, request)
        if answer.outcome != "decoded":
            raise PayloadError(answer.text)
        return answer.text

    def close(self) -> None:
        """End the engine; the next frame starts another one."""
        with self._lock:
            self._end()

    def _ask(self, codec: Codec, request: Request) -> Response:
        """The engine's answer.

        Raises:
            PayloadError: It has none: the codec ended it, now or a short time ago.
        """
        rest = self._rests.get(request.key)
        if rest and (wait_s := rest.until_s - self._clock()) > 0:
            raise PayloadError(f"it ended the engine; it is called again in {wait_s:.0f} s")
        was_running = self._engine is not None
        try:
            try:
                return self._ask_engine(codec, request)
            except (EOFError, ConnectionError):
                if not was_running:
                    raise
                self._end()  # it may have ended before, for another reason
                return self._ask_engine(codec, request)
        except TimeoutError as exc:
            raise PayloadError(self._note_end(codec, request.key, "gave no answer")) from exc
        except (OSError, EOFError, msgspec.MsgspecError) as exc:
            raise PayloadError(self._note_end(codec, request.key, f"failed: {exc}")) from exc

    def _ask_engine(self, codec: Codec, request: Request) -> Response:
        engine = self._engine = self._engine or EngineProcess(self._command)
        answer = engine.ask(request)
        if answer.outcome == "unknown":
            answer = engine.ask(msgspec.structs.replace(request, source=codec.source))
        return answer

    def _end(self) -> int | None:
        """End the engine; returns its exit code, None if there was none."""
        engine, self._engine = self._engine, None
        return engine.end() if engine else None

    def _note_end(self, codec: Codec, key: bytes, reason: str) -> str:
        """End the engine and let the codec rest; returns the reason."""
        exit_code = self._end()
        if len(self._rests) >= _CODECS_MAX:
            self._rests.clear()
        rest = self._rests.setdefault(key, _CodecRest())
        now_s = self._clock()
        if now_s - rest.until_s > FORGIVEN_AFTER_S:
            rest.backoff.reset()
        wait_s = rest.backoff.next_s()
        rest.until_s = now_s + wait_s
        log.error("codec.engine_ended", codec=codec.id, reason=reason, exit=exit_code, rests_s=round(wait_s))
        return f"the engine {reason}"


@lru_cache(maxsize=_CODECS_MAX)
def _key(source: str) -> bytes:
    return hashlib.sha256(source.encode()).digest()


def _values(answer: str) -> dict[str, Any]:
    """The values in a codec's answer: its `data`, or all of it where it has no such part.

    Raises:
        PayloadError: The codec says that it cannot decode the frame, or gives no object.
    """
    content = json_value(answer.encode())
    if isinstance(content, dict):
        if errors := content.get("errors"):
            words = errors if isinstance(errors, list) else [errors]
            raise PayloadError("; ".join(map(str, words[:_ERRORS_SHOWN]))[:ERROR_MAX_CHARS])
        content = content.get("data", {key: value for key, value in content.items() if key != "warnings"})
    if not isinstance(content, dict) or not content:
        raise PayloadError("it gives no values")
    return content
