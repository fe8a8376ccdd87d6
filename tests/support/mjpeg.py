"""A camera that sends JPEG pictures over HTTP, on a free loopback port."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import cv2
import numpy as np

USER: Final = "viewer"
PASSWORD: Final = "l1hat-saja"  # noqa: S105 - of a camera that lives for a test
EVERY_S: Final = 0.2


class MjpegCamera(ThreadingHTTPServer):
    """Five pictures a second of noise on a picture with edges; `stalled` stops them while connections stay.

    `instead` is sent in their place while it is not empty.
    """

    daemon_threads = True

    def __init__(self) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stalled = threading.Event()
        self.ended = threading.Event()
        self.connections = 0
        self.instead = b""

    def address(self, password: str = PASSWORD) -> str:
        """Where it is."""
        return f"http://{USER}:{password}@127.0.0.1:{self.server_port}/video.mjpg"


class _Handler(BaseHTTPRequestHandler):
    server: MjpegCamera

    def do_GET(self) -> None:
        """Send pictures for as long as somebody takes them."""
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.server.connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        dice = np.random.default_rng(1)
        try:
            while not self.server.ended.wait(EVERY_S):
                if not self.server.stalled.is_set():
                    self._send(self.server.instead or jpeg_of(dice))
        except OSError:
            return  # nobody takes them any more

    def _send(self, jpeg: bytes) -> None:
        head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, *_parts: object) -> None:
        """Say nothing."""


def jpeg_of(dice: np.random.Generator) -> bytes:
    """A picture of the camera."""
    image = np.kron(np.indices((6, 8)).sum(axis=0) % 2 * 120 + 60, np.ones((40, 40)))[:, :, None]
    noisy = np.clip(image + dice.normal(0, 3, (240, 320, 3)), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", noisy)[1])


@contextmanager
def mjpeg_camera() -> Iterator[MjpegCamera]:
    """A camera that plays inside and is gone afterwards."""
    camera = MjpegCamera()
    thread = threading.Thread(target=camera.serve_forever, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.ended.set()
        camera.shutdown()
        camera.server_close()
        thread.join(10)
