"""The load of `kota bench embedded` in a process of its own: devices that publish and wait for receipts.

Prints one JSON object: moments on the machine's monotonic clock, which all processes share, and what was sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from broker.contract.codec import encode, join_encoded, parse_receipt
from broker.contract.payloads import BinTelemetry
from broker.contract.topics import Topic
from city.runtime.secrets import Secrets
from tests.attacks.packets import connect, packet, publish, subscribe
from tests.chaos.fleet import PacketProtocol

BOOT: Final = "bench"
AGAIN_AFTER_S: Final = 10.0
"""A message without a receipt is sent again; amqtt drops what is not acknowledged within 5 s."""
UNACKNOWLEDGED_MAX: Final = 100
"""Messages of a connection that the broker has not acknowledged: nats-server hangs up on who waits for 5 s."""
_PUBACK: Final = 0x40


class Moments(msgspec.Struct, frozen=True):
    """When the first message went out, when the broker had acknowledged the last, when the last receipt came."""

    first_s: float
    acknowledged_s: float
    receipted_s: float
    sent_again: int


class Sender:
    """One device on one connection: at most `window` readings without a receipt, 0 for any number."""

    def __init__(self, device: str, messages: int, batch: int, window: int) -> None:
        """Encode all of it."""
        self._topic, receipts = (
            str(Topic("kupang", "bin", device, channel)).encode() for channel in ("telemetry", "receipt")
        )
        self._ask = subscribe(receipts)
        now = datetime.now(UTC)

        def reading(seq: int) -> bytes:
            return encode(
                BinTelemetry(ts=now, epoch=BOOT, seq=seq, distance_mm=400.0, temperature_c=29.5, battery_pct=87.0)
            )

        self._bodies = [
            join_encoded([reading(number * batch + place) for place in range(batch)]) for number in range(messages)
        ]
        self._batch, self._window = batch, window
        self._next = self._mid = 0
        self._out: dict[int, float] = {}
        self._unreceipted = [batch] * messages
        self._heard: set[int] = set()
        self.unacknowledged = 0
        self.sent_again = 0
        self.acknowledged_s = self.receipted_s = 0.0

    async def connect(self, port: int, password: str, device: str) -> None:
        """Sign in and ask for receipts."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()

        def take(first: int, body: bytes) -> None:
            match first & 0xF0:
                case 0x20:  # CONNACK
                    assert body[1] == 0, f"{device} was refused"
                case 0x90:  # SUBACK
                    ready.set()
                case 0x40:  # PUBACK
                    self.unacknowledged -= 1
                    self.acknowledged_s = time.monotonic()
                    self.pump()
                case 0x30:  # PUBLISH
                    self._hear(first, body)

        self._transport, self._connection = await loop.create_connection(
            lambda: PacketProtocol(take), "127.0.0.1", port
        )
        name = device.encode()
        self._transport.write(connect(name, name, password.encode()))
        self._transport.write(self._ask)
        await ready.wait()

    @property
    def is_done(self) -> bool:
        """Whether every reading has its receipt."""
        assert not self._connection.lost.is_set(), "the broker has hung up"
        return self._next == len(self._bodies) and not self._out

    @property
    def is_acknowledged(self) -> bool:
        """Whether the broker has acknowledged all of it."""
        return self._next == len(self._bodies) and self.unacknowledged <= 0

    def pump(self) -> None:
        """Send as much as may be out."""
        while (
            self._next < len(self._bodies)
            and self.unacknowledged < UNACKNOWLEDGED_MAX
            and (not self._window or len(self._out) * self._batch < self._window)
        ):
            self._send(self._next)
            self._next += 1

    def send_again(self) -> None:
        """Send what has had no receipt for too long."""
        late_s = time.monotonic() - AGAIN_AFTER_S
        for number in [number for number, at_s in self._out.items() if at_s < late_s]:
            self._send(number)
            self.sent_again += 1

    def _send(self, number: int) -> None:
        self._mid = self._mid % 65_535 + 1
        self._transport.write(publish(self._topic, self._bodies[number], number=self._mid))
        self._out[number] = time.monotonic()
        self.unacknowledged += 1

    def _hear(self, first: int, body: bytes) -> None:
        place = 2 + int.from_bytes(body[:2])
        if first & 0x06:
            self._transport.write(packet(_PUBACK, body[place : place + 2]))
            place += 2
        receipt = parse_receipt(body[place:])
        for low, high in receipt.seqs:
            for seq in range(low, high + 1):
                if seq not in self._heard:
                    self._heard.add(seq)
                    number = seq // self._batch
                    self._unreceipted[number] -= 1
                    if not self._unreceipted[number]:
                        self._out.pop(number, None)
        self.receipted_s = time.monotonic()
        self.pump()


async def _run(args: argparse.Namespace) -> Moments:
    secrets = Secrets(args.data)
    names = [f"bin-{number + 1:04}" for number in range(args.connections)]
    senders = [Sender(name, args.messages // args.connections, args.batch, args.window) for name in names]
    for name, sender in zip(names, senders, strict=True):
        await sender.connect(args.port, secrets.password(name), name)
    first_s = time.monotonic()
    for sender in senders:
        sender.pump()
    told = False
    again_s = first_s + AGAIN_AFTER_S
    while not all(sender.is_done for sender in senders):
        await asyncio.sleep(0.02)
        if not told and all(sender.is_acknowledged for sender in senders):
            args.acknowledged.touch()
            told = True
        if not args.patient and time.monotonic() > again_s:
            again_s = time.monotonic() + AGAIN_AFTER_S / 2
            for sender in senders:
                sender.send_again()
    return Moments(
        first_s,
        max(sender.acknowledged_s for sender in senders),
        max(sender.receipted_s for sender in senders),
        sum(sender.sent_again for sender in senders),
    )


def main(argv: list[str]) -> int:
    """Publish everything and wait for every receipt."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True, help="Over all connections.")
    parser.add_argument("--batch", type=int, default=1, help="Readings of one message.")
    parser.add_argument("--window", type=int, default=500, help="Readings a connection may have out; 0 for any number.")
    parser.add_argument("--patient", action="store_true", help="Send nothing again.")
    parser.add_argument("--acknowledged", type=Path, required=True, help="Made when the broker has it all.")
    print(msgspec.json.encode(asyncio.run(_run(parser.parse_args(argv)))).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
