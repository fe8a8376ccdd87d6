"""A camera of the tests: an RTSP server with H.264, run by the system's Python, which has Debian's GStreamer.

`python3 rtsp_server.py PORT USER PASSWORD WIDTHxHEIGHT` plays `rtsp://127.0.0.1:PORT/cam`; lines on stdin are orders:
`stall` (the connection stays, nothing is sent), `resume`, `size WIDTHxHEIGHT`. It prints `ready` once it listens, and
ends with stdin.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - after their versions

FPS: Final = 10
LAUNCH: Final = (
    "( videotestsrc is-live=true pattern=smpte ! videoscale ! capsfilter name=size caps={caps} "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def caps_of(size: str) -> str:
    """Raw pictures of a size, `WIDTHxHEIGHT`."""
    width_px, height_px = map(int, size.split("x"))
    return f"video/x-raw,width={width_px},height={height_px},framerate={FPS}/1"


class Camera:
    """What orders act on: the pipeline that all clients share."""

    def __init__(self) -> None:
        """Nothing plays before the first client."""
        self._stalled = threading.Event()
        self._size: Any = None

    def on_media(self, _factory: object, media: Any) -> None:
        """Take hold of the pipeline of the first client."""
        pipeline = media.get_element()
        self._size = pipeline.get_by_name("size")
        pad = pipeline.get_by_name("pay0").get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, self._let_through)

    def _let_through(self, _pad: object, _probe: object) -> Any:
        return Gst.PadProbeReturn.DROP if self._stalled.is_set() else Gst.PadProbeReturn.OK

    def obey(self, loop: Any) -> None:
        """Follow orders until stdin ends."""
        for line in sys.stdin:
            match line.split():
                case ["stall"]:
                    self._stalled.set()
                case ["resume"]:
                    self._stalled.clear()
                case ["size", size]:
                    self._size.set_property("caps", Gst.Caps.from_string(caps_of(size)))
        loop.quit()


def with_password(server: Any, factory: Any, user: str, password: str) -> None:
    """Let in this user alone."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until stdin ends."""
    port, user, password, size = sys.argv[1:]
    Gst.init(None)
    loop, camera = GLib.MainLoop(), Camera()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(caps=caps_of(size)))
    factory.set_shared(True)
    factory.connect("media-configure", camera.on_media)
    with_password(server, factory, user, password)
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    threading.Thread(target=camera.obey, args=(loop,), daemon=True).start()
    print("ready", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
