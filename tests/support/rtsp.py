"""A camera over RTSP as a process of its own on a free loopback port; knows nothing of pytest."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, Self

PYTHON: Final = "/usr/bin/python3"
"""The system's own: GStreamer's bindings are Debian's."""
SERVER: Final = Path(__file__).with_name("rtsp_server.py")
USER: Final = "viewer"
PASSWORD: Final = "l1hat-saja"  # noqa: S105 - of a camera that lives for a test
_IMPORTS: Final = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
    "Gst.init(None); assert all(map(Gst.ElementFactory.find, ('videotestsrc', 'rtph264pay', 'x264enc')))"
)


def missing() -> str:
    """Why there can be no camera, empty when there can."""
    try:
        done = subprocess.run([PYTHON, "-c", _IMPORTS], capture_output=True, timeout=60, check=False)
    except OSError as exc:
        return f"{PYTHON}: {exc.strerror}"
    return "" if done.returncode == 0 else "GStreamer's RTSP server is not installed (tests/run.py names the packages)"


class RtspCamera:
    """One camera; as a context it plays inside and is gone afterwards."""

    def __init__(self, port: int) -> None:
        """Nothing runs yet."""
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    def address(self, password: str = PASSWORD) -> str:
        """Where it is."""
        return f"rtsp://{USER}:{password}@127.0.0.1:{self.port}/cam"

    def __enter__(self) -> Self:
        """Start and wait until it listens."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End."""
        self.kill()

    def start(self, size: str = "640x480") -> None:
        """Start, with pictures of a size."""
        command = [PYTHON, str(SERVER), str(self.port), USER, PASSWORD, size]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def order(self, text: str) -> None:
        """`stall`, `resume` or `size WIDTHxHEIGHT`."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None
