"""Photos of crews, redacted in a process of its own: whoever asks for it loads no OpenCV and decodes nothing.

A photo in the clear is on no disk: the process gets it on standard input and gives the redacted one back.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from city.errors import KotaError, RetryLaterError
from city.runtime.child_path import child_python_path

WORKER: Final = (sys.executable, "-m", "vision.evidence.privacy.photo_worker")
DEADLINE_S: Final = 20.0
WAIT_S: Final = 10.0
"""Time that a photo waits for the one before it."""

Hidden = Literal["people", "everything"]
"""What is pixelated: the people that the learned detector recognises, or, without one, the whole photo."""


class PhotoRefusedError(KotaError):
    """These bytes can never be kept as a photo."""


class RedactedPhoto(msgspec.Struct, frozen=True):
    """A photo as it may be kept: a JPEG without metadata, or the reason why there is none."""

    jpeg: bytes = b""
    hidden: Hidden = "everything"
    refused: str = ""


class PhotoRedactor:
    """Redacts photos one after another, each in a process of its own with a deadline. Thread-safe.

    Args:
        model: The learned detector's model that is chosen now; None without one.
        command: Starts the process; the path of the model is its argument.
        deadline_s: Seconds after which the process is ended.
    """

    def __init__(
        self,
        model: Callable[[], Path | None],
        command: Sequence[str] = WORKER,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._model = model
        self._command = command
        self._deadline_s = deadline_s
        self._lock = threading.Lock()

    def redact(self, content: bytes) -> RedactedPhoto:
        """The redacted photo; blocks for a second or two.

        Raises:
            PhotoRefusedError: It is no JPEG, or too large.
            RetryLaterError: Too many photos wait, or the process has failed.
        """
        if not self._lock.acquire(timeout=WAIT_S):
            raise RetryLaterError("other photos are being redacted")
        try:
            photo = self._run(content)
        finally:
            self._lock.release()
        if photo.refused:
            raise PhotoRefusedError(photo.refused)
        return photo

    def _run(self, content: bytes) -> RedactedPhoto:
        model = self._model()
        # Nothing of our environment: it has the city's secrets. One thread: the machine has other work.
        environment = {"PYTHONPATH": child_python_path(), "OMP_NUM_THREADS": "1"}
        command = [*self._command, str(model.resolve()) if model else ""]
        try:
            process = subprocess.run(  # noqa: S603 - our own command
                command, input=content, capture_output=True, env=environment, timeout=self._deadline_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise RetryLaterError(f"a photo was not redacted within {self._deadline_s:g} s") from None
        except OSError as exc:
            raise RetryLaterError(f"a photo cannot be redacted: {exc}") from exc
        try:
            return msgspec.msgpack.decode(process.stdout, type=RedactedPhoto)
        except msgspec.MsgspecError as exc:
            last = process.stderr.decode(errors="replace").strip()[-200:]
            raise RetryLaterError(f"a photo was not redacted: exit {process.returncode} {last}") from exc
