"""MQTT 3.1.1 packets as bytes, right and wrong ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator


def text(value: bytes) -> bytes:
    """A string with its length before it."""
    return struct.pack("!H", len(value)) + value


def packet(first: int, body: bytes) -> bytes:
    """A packet with its fixed header."""
    length, coded = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        coded += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([first]) + coded + body


def connect(
    client_id: bytes,
    user: bytes | None = None,
    password: bytes | None = None,
    *,
    clean: bool = True,
    will: tuple[bytes, bytes] | None = None,
) -> bytes:
    """A CONNECT; `will` is a topic and a payload, at QoS 1 and retained."""
    flags = (0x02 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    flags |= 0x2C if will else 0
    body = text(b"MQTT") + bytes([4, flags]) + struct.pack("!H", 60) + text(client_id)
    body += b"".join(text(part) for part in (*(will or ()), user, password) if part is not None)
    return packet(0x10, body)


def half_a_connect(sent: int, promised: int) -> bytes:
    """The beginning of a CONNECT that promises so many bytes."""
    whole = packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + bytes(promised - 10))
    return whole[:sent]


def publish(topic: bytes, payload: bytes, *, qos: int = 1, retain: bool = False, number: int = 1) -> bytes:
    """A PUBLISH."""
    body = text(topic) + (struct.pack("!H", number) if qos else b"") + payload
    return packet(0x30 | qos << 1 | int(retain), body)


def subscribe(topic_filter: bytes, *, qos: int = 1, number: int = 1) -> bytes:
    """A SUBSCRIBE."""
    return packet(0x82, struct.pack("!H", number) + text(topic_filter) + bytes([qos]))


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """Packets of every type with bytes changed, cut, doubled, their lengths wrong; the same for the same seed."""
    dice = random.Random(seed)
    whole = [
        connect(b"bin-0001", b"bin-0001", b"x" * 40),
        connect(b"", b"", b"", clean=False),
        publish(b"kota/v1/kupang/bin/bin-0001/telemetry", b'{"battery_pct":5}'),
        publish(b"kota/v1/kupang/bin/bin-0001/telemetry", b"\xff" * 200, qos=2, retain=True),
        subscribe(b"kota/v1/kupang/bin/bin-0001/receipt"),
        packet(0xA2, b"\x00\x01" + text(b"a/b")),
        *(packet(first, b"\x00\x01") for first in (0x40, 0x50, 0x62, 0x70, 0x90, 0xB0)),
        *(packet(first, b"") for first in (0xC0, 0xD0, 0xE0, 0x00, 0xF0)),
    ]
    for _ in range(count):
        raw = bytearray(dice.choice(whole))
        for _ in range(dice.randint(1, 4)):
            match dice.randrange(5):
                case 0:
                    raw[dice.randrange(len(raw))] = dice.randrange(256)
                case 1 if len(raw) > 1:
                    del raw[dice.randrange(1, len(raw)) :]
                case 2:
                    raw += raw[: dice.randrange(len(raw)) + 1]
                case 3:
                    place = dice.randrange(len(raw))
                    raw[place:place] = dice.randbytes(dice.randint(1, 40))
                case _:
                    raw[1:2] = dice.choice([b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x01", b"\x00", b"\x7f"])
        yield bytes(raw)
