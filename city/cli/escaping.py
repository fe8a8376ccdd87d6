"""Escapes control characters in what verbs print: names and reasons come from messages of strangers."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Final, TextIO

_KEPT: Final = frozenset("\n\t")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of characters that a terminal obeys or does not show, such as escapes and direction marks."""


def escape(text: str) -> str:
    """The text with every control character as a JSON escape; line feeds and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char in _KEPT or unicodedata.category(char) not in _UNSEEN else json.dumps(char)[1:-1] for char in text
    )


class EscapingStream:
    """A text stream that escapes what is written; everything else is the stream's own.

    A carriage return at the start stays: a progress line begins with one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, escaped; returns its length."""
        start = "\r" if text.startswith("\r") else ""
        self._stream.write(start + escape(text.removeprefix("\r")))
        return len(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)


@contextmanager
def escaping_output() -> Iterator[None]:
    """Escape what is printed to stdout and stderr while the context is open; a closed stream stays closed."""
    stdout: Any = sys.stdout and EscapingStream(sys.stdout)
    stderr: Any = sys.stderr and EscapingStream(sys.stderr)
    with redirect_stdout(stdout), redirect_stderr(stderr):
        yield
