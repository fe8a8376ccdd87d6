"""A look at a camera: logins, descriptions, packets, and cameras that misbehave."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from city.errors import RetryLaterError
from edge.sensors.camera_health import CameraHealthOptions, CameraProbe, VideoTrack, count, video_of
from edge.sensors.rtsp import RtspError, authorization, parse_head

SDP = (
    "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:track0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    "a=control:track1\r\n"
)


def rtp(ticks: int, *, last: bool = True, payload: bytes = b"$x" * 50) -> bytes:
    return bytes([0x80, 0x60 | 0x80 * last, 0, 0]) + ticks.to_bytes(4, "big") + bytes(4) + payload


def test_a_digest_is_answered_as_the_rfc_does() -> None:
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    said = authorization(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in said
    assert "Circle" not in said


def test_a_digest_with_quality_and_sha_256_names_what_it_answers() -> None:
    challenge = 'Digest realm="cam", nonce="n", algorithm=SHA-256, qop="auth,auth-int", opaque="o,p"'
    said = authorization(challenge, "u", "p", "DESCRIBE", "rtsp://cam/")
    assert re.search(r'response="[0-9a-f]{64}"', said)
    assert 'opaque="o,p"' in said
    assert "qop=auth, nc=00000001" in said


@pytest.mark.parametrize(
    "challenge", ["", "Bearer x", "Digest", "Digest nonce=", "Digest realm=x", 'Digest nonce="n", algorithm=MD4']
)
def test_an_unknown_login_is_refused(challenge: str) -> None:
    with pytest.raises(RtspError, match="not known"):
        authorization(challenge, "u", "geheim", "DESCRIBE", "rtsp://cam/")


def test_of_two_challenges_the_digest_is_taken() -> None:
    for first, second in (("Basic realm=x", "Digest realm=x"), ("Digest realm=x", "Basic realm=x")):
        head = f"RTSP/1.0 401 No\r\nWWW-Authenticate: {first}\r\nWWW-Authenticate: {second}".encode()
        assert parse_head(head) == (401, {"www-authenticate": "Digest realm=x"})


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK", b"RTSP/1.0", b"RTSP/1.0 ok", b"RTSP/1.0 " + b"2" * 5000, b"\xff\xfe 200"]
)
def test_what_is_no_rtsp_is_refused(head: bytes) -> None:
    with pytest.raises(RtspError, match="no RTSP"):
        parse_head(head)


def test_the_video_of_a_description() -> None:
    assert video_of(SDP, "rtsp://cam/live/") == VideoTrack("rtsp://cam/live/track1", 90_000)
    assert video_of("m=video\na=control:rtsp://cam/v", "rtsp://cam/live").url == "rtsp://cam/v"
    assert video_of("m=video\na=control:*\na=rtpmap:96 X/0", "rtsp://cam/live") == VideoTrack("rtsp://cam/live", 90_000)
    with pytest.raises(RtspError, match="no video"):
        video_of("v=0\nm=audio", "rtsp://cam/live")


def test_pictures_and_bytes_are_counted_and_what_is_no_packet_is_not() -> None:
    counted = count([b"", bytes(12), rtp(0, last=False), rtp(0), rtp(9_000), rtp(18_000)])
    assert (counted.frames, counted.payload_bytes, counted.last_ticks) == (3, 400, 18_000)


class FakeCamera:
    """Answers one connection: a status or a text for each method, then what it plays."""

    def __init__(self, plays: bytes = b"", **answers: str) -> None:
        self.asked: list[str] = []
        self._plays = plays
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Until the other side hangs up."""
        with self._listener, self._listener.accept()[0] as connection, suppress(ConnectionError):
            text = b""
            while chunk := connection.recv(4096):
                text += chunk
                while b"\r\n\r\n" in text:
                    head, _, text = text.partition(b"\r\n\r\n")
                    self._answer(connection, head.decode().split(" ")[0])

    def _answer(self, connection: socket.socket, method: str) -> None:
        self.asked.append(method)
        body = SDP if method == "DESCRIBE" else ""
        plain = f"RTSP/1.0 200 OK\r\nSession: 7;timeout=60\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        connection.sendall(self._answers.get(method, plain).encode())
        if method == "PLAY":
            connection.sendall(self._plays)


@contextmanager
def playing(camera: FakeCamera) -> Iterator[CameraProbe]:
    thread = threading.Thread(target=camera.serve, daemon=True)
    thread.start()
    yield CameraProbe(f"rtsp://127.0.0.1:{camera.port}/live", CameraHealthOptions(seconds=0.3, timeout_s=0.5))
    thread.join(10)


def interleaved(channel: int, packet: bytes) -> bytes:
    return b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet


def test_a_camera_that_plays_is_counted_by_its_own_clock_when_it_sends_faster_than_life() -> None:
    stream = b"".join(interleaved(0, rtp(9_000 * n)) + interleaved(1, b"rtcp") for n in range(101))
    camera = FakeCamera(plays=stream)
    with playing(camera) as probe:
        assert probe.measure() == {"fps": 10.0, "bitrate_kbps": 8.1}
    assert camera.asked == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]


def test_a_camera_that_says_it_plays_and_sends_nothing_has_no_pictures() -> None:
    with playing(FakeCamera()) as probe:
        assert probe.measure() == {"fps": 0.0, "bitrate_kbps": 0.0}


def test_a_camera_that_never_ends_a_picture_has_a_rate_and_no_pictures_a_second() -> None:
    with playing(FakeCamera(plays=interleaved(0, rtp(0, last=False)))) as probe:
        assert set(probe.measure()) == {"bitrate_kbps"}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"DESCRIBE": "RTSP/1.0 404 Not Found\r\n\r\n"}, "DESCRIBE was answered with 404"),
        ({"DESCRIBE": "RTSP/1.0 401 No\r\nWWW-Authenticate: Basic realm=x\r\n\r\n"}, "does not take user"),
        ({"DESCRIBE": "RTSP/1.0 200 OK\r\n\r\n"}, "no video"),
        ({"DESCRIBE": "RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"}, "no RTSP"),
        ({"DESCRIBE": "RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n"}, "no RTSP"),
        ({"DESCRIBE": "RTSP/1.0 200 OK\r\nContent-Length: 50\r\n\r\nv=0"}, "does not answer: timed out"),
        ({"SETUP": "RTSP/1.0 461 Unsupported Transport\r\n\r\n"}, "SETUP was answered with 461"),
        ({"OPTIONS": "SSH-2.0-dropbear\r\n\r\n"}, "no RTSP"),
        ({"OPTIONS": "x" * 200_000}, "no RTSP"),
        ({"PLAY": ""}, "does not answer: timed out"),
    ],
)
def test_a_camera_that_misbehaves_is_not_there_and_says_why(answers: dict[str, str], reason: str) -> None:
    with playing(FakeCamera(**answers)) as probe, pytest.raises(RetryLaterError, match=reason):
        probe.measure()


def test_nobody_at_the_address_is_no_camera() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(RetryLaterError, match="refused"):
        CameraProbe(f"rtsp://user:geheim@127.0.0.1:{port}/live", CameraHealthOptions()).measure()
