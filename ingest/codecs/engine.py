"""The codec engine: a process that runs JavaScript codecs, without files, network or secrets.

It reads one `Request` after the other from its standard input, a socket, and answers each with a `Response`. It ends
when the socket is closed. `ingest.codecs.runner` is the other side.
"""

from __future__ import annotations

import re
import resource
import socket
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import quickjs

from ingest.codecs.wire import ERROR_MAX_CHARS, OUTPUT_MAX_BYTES, Request, Response, receive, send

CALL_CPU_S: Final = 0.05
CALL_MEMORY_BYTES: Final = 16 << 20
CALL_STACK_BYTES: Final = 512 << 10
LOAD_CPU_S: Final = 0.5
"""CPU seconds for evaluating a script, once per process; a large table of a codec takes some milliseconds."""
CODECS_MAX: Final = 32
"""Codecs that are kept loaded; the one that was used longest ago is dropped."""
_ADDRESS_SPACE_BYTES: Final = 1 << 30

_FOLDER: Final = Path(__file__).parent
_DEFAULT_VALUE: Final = re.compile(r"^[ \t]*export\s+default\s+(?!(?:function|class)\s+\w)", re.MULTILINE)
_EXPORT: Final = re.compile(r"^[ \t]*export\s+(?:default\s+|\{[^}]*\}\s*;?|(?=\w))", re.MULTILINE)


class CodecError(Exception):
    """The codec failed; the text is the reason."""


class CodecLimitError(CodecError):
    """The codec met a limit; its context gives wrong answers from now on."""


class LoadedCodec:
    """One codec in a JavaScript context of its own.

    Args:
        source: The script.

    Raises:
        CodecError: It cannot be evaluated, or defines no decoder.
    """

    def __init__(self, source: str) -> None:
        self._context = quickjs.Context()
        self._context.set_memory_limit(CALL_MEMORY_BYTES)
        self._context.set_max_stack_size(CALL_STACK_BYTES)
        self._context.set_time_limit(LOAD_CPU_S)
        try:
            for script in (_read("prelude.js"), _as_script(source)):
                self._context.eval(script)
            self._decode: Callable[[str, int, float], Any] | None = self._context.eval(_read("entry.js"))
        except quickjs.JSException as exc:
            raise _error(exc, LOAD_CPU_S) from exc
        if self._decode is None:
            raise CodecError("it defines none of decodeUplink, Decode and Decoder")
        self._context.set_time_limit(CALL_CPU_S)

    def decode(self, data: bytes, port: int, at_ms: float) -> str:
        """The answer as JSON.

        Raises:
            CodecError: The codec failed, or its answer is none, or too large.
        """
        assert self._decode is not None  # noqa: S101 - see above
        try:
            answer = self._decode(str(list(data)), port, at_ms)
        except quickjs.JSException as exc:
            raise _error(exc, CALL_CPU_S) from exc
        if not isinstance(answer, str):
            raise CodecError("it gives no value")
        if len(answer) > OUTPUT_MAX_BYTES or len(answer.encode("utf-8", "surrogatepass")) > OUTPUT_MAX_BYTES:
            raise CodecError(f"its answer is larger than {OUTPUT_MAX_BYTES >> 10} KiB")
        return answer


class Engine:
    """Keeps loaded codecs and answers requests."""

    def __init__(self) -> None:
        self._codecs: OrderedDict[bytes, LoadedCodec] = OrderedDict()

    def answer(self, request: Request) -> Response:
        """Decode one frame."""
        codec = self._codecs.get(request.key)
        try:
            if codec is None:
                if request.source is None:
                    return Response("unknown")
                codec = LoadedCodec(request.source)
            self._keep(request.key, codec)
            if request.data is None:
                return Response("decoded", "{}")
            return Response("decoded", codec.decode(request.data, request.port, request.at_ms))
        except CodecLimitError as exc:
            self._codecs.pop(request.key, None)
            return Response("failed", str(exc))
        except CodecError as exc:
            return Response("failed", str(exc))

    def _keep(self, key: bytes, codec: LoadedCodec) -> None:
        self._codecs[key] = codec
        self._codecs.move_to_end(key)
        if len(self._codecs) > CODECS_MAX:
            self._codecs.popitem(last=False)


def serve(link: socket.socket) -> None:
    """Answer requests until the other side is gone."""
    engine = Engine()
    while True:
        try:
            request = msgspec.msgpack.decode(receive(link), type=Request)
            send(link, engine.answer(request))
        except (EOFError, ConnectionError):
            return


def limit_process() -> None:
    """Bound memory; forbid files that grow, core dumps, and more processes."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))


def _error(exc: quickjs.JSException, cpu_s: float) -> CodecError:
    """The exception of a codec, with the first line of its text; the rest is the stack."""
    text = str(exc).strip().partition("\n")[0][:ERROR_MAX_CHARS].encode(errors="replace").decode()
    if text == "InternalError: interrupted":
        return CodecLimitError(f"it took longer than {cpu_s * 1000:.0f} ms")
    if text == "InternalError: out of memory":
        return CodecLimitError(f"it took more than {CALL_MEMORY_BYTES >> 20} MB")
    return CodecError(text or "it failed without a message")


def _as_script(source: str) -> str:
    """A module as a script: its declarations are global, and its default export is `module.exports`."""
    return _EXPORT.sub("", _DEFAULT_VALUE.sub("module.exports = ", source))


def _read(name: str) -> str:
    return (_FOLDER / name).read_text()


if __name__ == "__main__":
    limit_process()
    with socket.socket(fileno=0) as standard_input:
        serve(standard_input)
