"""Many devices of one connection each in one process: what an agent says and does, without a thread and a disk each.

A device signs in under its own account and client id, with a last will; says that it is there; asks for its receipts;
publishes at QoS 1 and sends again what has no receipt, at the pace of `edge.agent`. `SIGUSR1` cuts every connection at
once. What was given out and what has its receipt stands in `FLEET/NAME.json`, for who counts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from broker.client import KEEPALIVE_S, RECONNECT_MAX_S, RECONNECT_MIN_S, STABLE_AFTER_S
from broker.contract.codec import encode, join_encoded, parse_receipt
from broker.contract.payloads import BinTelemetry, Offline, Online
from broker.contract.topics import Topic
from city.backoff import Backoff
from city.runtime.secrets import Secrets
from edge.agent import BATCH_MAX, RETRANSMIT_MAX_S, RETRANSMIT_TIMEOUT_S
from tests.attacks.packets import connect, packet, publish, subscribe
from tests.attacks.target import allow_connections
from tests.chaos.publisher import share_in
from tests.support.waiting import PATIENCE_S as ANSWER_WITHIN_S

FOLDER: Final = "fleet"
TURN_S: Final = 0.1
_CONNACK, _PUBLISH, _PUBACK, _PINGREQ = 0x20, 0x30, 0x40, 0xC0
_MIDS: Final = 1 << 16


class Life(msgspec.Struct):
    """One device: `seqs` readings given out, from 0 on, those of them without a receipt, and whether it is let in."""

    device: str
    epoch: str
    seqs: int
    waiting: int
    online: bool = False


def read_lives(data: Path) -> list[Life]:
    """What every fleet of a data folder says of its devices."""
    files = sorted((data / FOLDER).glob("[!.]*.json"))
    return [life for path in files for life in msgspec.json.decode(path.read_bytes(), type=list[Life])]


class PacketProtocol(asyncio.Protocol):
    """Cuts what comes into packets."""

    def __init__(self, take: Callable[[int, bytes], None]) -> None:
        self._take = take
        self._buffer = bytearray()
        self.lost = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (found := first_packet(self._buffer)) is not None:
            first, start, end = found
            body = bytes(self._buffer[start:end])
            del self._buffer[:end]
            self._take(first, body)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost.set()


def first_packet(buffer: bytearray) -> tuple[int, int, int] | None:
    """First byte, start and end of the body of the packet a buffer begins with; None while it is not all there."""
    length = 0
    for place, byte in enumerate(buffer[1:5]):
        length |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            start = place + 2
            return (buffer[0], start, start + length) if len(buffer) >= start + length else None
    return None


class FleetDevice:
    """One device: its readings, its connection, and what of them has its receipt."""

    def __init__(self, city: str, device: str, port: int, password: str) -> None:
        """Nothing is given out yet."""
        self.life = Life(device, secrets.token_hex(5), 0, 0)
        self._port = port
        self._status, self._telemetry, receipts = (
            str(Topic(city, "bin", device, channel)).encode() for channel in ("status", "telemetry", "receipt")
        )
        name, will = device.encode(), (self._status, encode(Offline(reason="lost")))
        self._sign_in = connect(name, name, password.encode(), will=will)
        self._ask = subscribe(receipts, qos=0)
        self._waiting: dict[int, tuple[bytes, float, float]] = {}
        """Seq to payload, when it is due, and when it was sent."""
        self._retransmit_s = RETRANSMIT_TIMEOUT_S[0]
        self._transport: asyncio.Transport | None = None
        self._mid = 0

    async def stay_connected(self) -> None:
        """Connect again and again, as `broker.client` does."""
        backoff = Backoff(RECONNECT_MIN_S, RECONNECT_MAX_S)
        while True:
            began_s = time.monotonic()
            if await self._converse() and time.monotonic() - began_s > STABLE_AFTER_S:
                backoff.reset()
            await asyncio.sleep(backoff.next_s())

    async def _converse(self) -> bool:
        """One connection from start to end; whether it came about."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()

        def take(first: int, body: bytes) -> None:
            if first & 0xF0 == _CONNACK and body[1] == 0:
                came.set()
                self._begin()
            elif first & 0xF0 == _PUBLISH:
                self._hear(first, body)

        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                self._transport, connection = await loop.create_connection(
                    lambda: PacketProtocol(take), "127.0.0.1", self._port
                )
        except OSError:
            return False
        self._transport.write(self._sign_in)
        try:
            while not connection.lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(KEEPALIVE_S):
                        await connection.lost.wait()
                if not connection.lost.is_set():
                    self._transport.write(packet(_PINGREQ, b""))
        finally:
            self.life.online = False
            self._transport.abort()
        return came.is_set()

    def _begin(self) -> None:
        assert self._transport is not None
        self.life.online = True
        self._transport.write(self._ask)
        born = encode(
            Online(ts=datetime.now(UTC), epoch=self.life.epoch, fw="chaos", outbox_waiting=len(self._waiting))
        )
        self._transport.write(publish(self._status, born, retain=True, number=self._next_mid()))
        self._waiting = {seq: (payload, 0.0, 0.0) for seq, (payload, *_) in self._waiting.items()}

    def _hear(self, first: int, body: bytes) -> None:
        """A receipt; it counts for what waits, whoever has sent it."""
        assert self._transport is not None
        place = 2 + int.from_bytes(body[:2])
        if first & 0x06:
            self._transport.write(packet(_PUBACK, body[place : place + 2]))
            place += 2
        receipt = parse_receipt(body[place:])
        if receipt.epoch == self.life.epoch:
            told = [seq for seq in self._waiting if any(low <= seq <= high for low, high in receipt.seqs)]
            sent_s = [self._waiting.pop(seq)[2] for seq in told]
            if sent_s:
                took_s = time.monotonic() - min(sent_s)
                self._retransmit_s = min(max(RETRANSMIT_TIMEOUT_S[0], 4 * took_s), RETRANSMIT_TIMEOUT_S[1])
        self.life.waiting = len(self._waiting)

    def give_out(self, seqs: int) -> None:
        """Have given out so many readings in all."""
        for seq in range(self.life.seqs, seqs):
            reading = BinTelemetry(ts=datetime.now(UTC), epoch=self.life.epoch, seq=seq, battery_pct=50.0)
            self._waiting[seq] = encode(reading), 0.0, 0.0
        self.life.seqs = max(self.life.seqs, seqs)
        self.life.waiting = len(self._waiting)

    def send_due(self, now_s: float) -> None:
        """Send what was never sent over this connection, or has had no receipt for too long."""
        if not self.life.online or self._transport is None:
            return
        due = [seq for seq, (_, due_s, _) in self._waiting.items() if due_s <= now_s][:BATCH_MAX]
        if not due:
            return
        if any(self._waiting[seq][1] for seq in due):
            self._retransmit_s = min(RETRANSMIT_MAX_S, 2 * self._retransmit_s)
        body = join_encoded([self._waiting[seq][0] for seq in due])
        self._transport.write(publish(self._telemetry, body, number=self._next_mid()))
        again_s = now_s + self._retransmit_s * random.uniform(1.0, 1.5)
        self._waiting |= {seq: (self._waiting[seq][0], again_s, now_s) for seq in due}

    def cut(self) -> None:
        """Lose the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _next_mid(self) -> int:
        self._mid = self._mid % (_MIDS - 1) + 1
        return self._mid


async def _run(devices: list[FleetDevice], readings: int, data: Path, name: str, stop: asyncio.Event) -> None:
    """Until every device has given out its readings and has their receipts, or until `stop`."""
    path = data / FOLDER / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    told = b""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(device.stay_connected()) for device in devices]
        while not stop.is_set():
            seqs = round(readings * share_in(data))
            for device in devices:
                device.give_out(seqs)
                device.send_due(time.monotonic())
            said = msgspec.json.encode([device.life for device in devices])
            if said != told:
                part = path.with_name(f".{path.name}.part")
                part.write_bytes(said)
                part.replace(path)
                told = said
            if seqs == readings and not any(device.life.waiting for device in devices):
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_S):
                    await stop.wait()
        for task in tasks:
            task.cancel()


def _cut(devices: list[FleetDevice]) -> None:
    for device in devices:
        device.cut()


async def _main(args: argparse.Namespace) -> None:
    passwords = Secrets(args.data)
    devices = [
        FleetDevice(args.city, id_, args.port, passwords.password(id_)) for id_ in args.devices.read_text().split()
    ]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, _cut, devices)
    await _run(devices, args.readings, args.data, args.name, stop)


def main(argv: list[str]) -> int:
    """Run one process's part of a fleet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--city", default="kupang")
    parser.add_argument("--devices", type=Path, required=True, help="A file with a device id a line.")
    parser.add_argument("--readings", type=int, required=True, help="Of each device.")
    args = parser.parse_args(argv)
    allow_connections(1 << 13)
    asyncio.run(_main(args))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
