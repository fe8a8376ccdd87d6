"""Attempts on the bus: packets, floods, forgeries, take-overs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broker.client import Delivery
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from city.runtime.gateways import Gateways
from tests.attacks.honest import be_served_elsewhere
from tests.attacks.packets import connect, half_a_connect, mutations, publish
from tests.attacks.target import (
    Attempt,
    Device,
    Target,
    allow_connections,
    be_served,
    broker_memory_bytes,
    ensure_gateway,
)

CLOSED_WITHIN_S: Final = 40.0
BROKER_MEMORY_MAX_MIB: Final = 768
_ANSWER_WITHIN_S: Final = 15.0
VICTIM: Final = "bin-0002"
THIEF: Final = "bin-0003"
FLOODING_GATEWAY: Final = "flooding-server"


def _open(target: Target) -> socket.socket:
    return socket.create_connection((target.host, target.mqtt_port), 10)


@contextlib.contextmanager
def _many(target: Target, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent some bytes."""
    opened: list[socket.socket] = []
    allow_connections(2 * count + 200)
    try:
        for _ in range(count):
            with contextlib.suppress(ConnectionError):  # refused is as good as closed
                connection = _open(target)
                opened.append(connection)
                connection.sendall(first)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _closed(opened: list[socket.socket], within_s: float) -> int:
    """How many the other end has closed in time."""
    waiting = selectors.DefaultSelector()
    for connection in opened:
        connection.setblocking(False)
        waiting.register(connection, selectors.EVENT_READ)
    until_s, closed = time.monotonic() + within_s, 0
    while closed < len(opened) and time.monotonic() < until_s:
        for key, _ in waiting.select(0.5):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                gone = not connection.recv(4096)
            except OSError:
                gone = True
            if gone:
                waiting.unregister(connection)
                closed += 1
    return closed


def connects_without_a_password(target: Target, count: int = 2_100) -> str:
    """Let nobody in, and serve who has a password meanwhile."""
    flood = connect(b"bin-0001", b"bin-0001")
    with _many(target, count, flood) as opened:
        waited_s = be_served_elsewhere(target)
        closed = _closed(opened, CLOSED_WITHIN_S)
    assert closed == len(opened), f"{len(opened) - closed} of {len(opened)} were not refused"
    return f"{count} connects without a password refused, an honest one served after {waited_s:.2f} s meanwhile"


def silent_connections(target: Target, count: int = 500) -> str:
    """Close who says nothing, or half a packet."""
    with _many(target, count, b"") as silent, _many(target, count, connect(b"x", b"x", b"x")[:9]) as half:
        waited_s = be_served_elsewhere(target)
        opened = [*silent, *half]
        if not target.closes_silent:
            return f"{len(opened)} silent connections, an honest one served after {waited_s:.2f} s meanwhile"
        closed = _closed(opened, CLOSED_WITHIN_S)
    assert closed == len(opened), f"{len(opened) - closed} of {len(opened)} silent connections stay open"
    return f"{closed} silent connections closed, an honest one served after {waited_s:.2f} s meanwhile"


def large_connects(target: Target, count: int = 1_000) -> str:
    """Keep little of packets of nobody: connects that never end, and complete ones with names of 60 kB each."""
    name = b"x" * 60_000
    with (
        _many(target, count, half_a_connect(240_000, 250_000)),
        _many(target, count // 4, connect(name, name, name)),
    ):
        waited_s = be_served_elsewhere(target)
    mib = broker_memory_bytes(target) >> 20
    assert mib < BROKER_MEMORY_MAX_MIB, f"the broker took {mib} MiB"
    return f"{count} endless connects, at most {mib} MiB, an honest one served after {waited_s:.2f} s meanwhile"


def mutated_packets(target: Target, count: int = 20_000) -> str:
    """Survive packets that are none, from strangers and from a device that is let in."""
    password = target.password(THIEF).encode()
    signed_in = connect(THIEF.encode(), THIEF.encode(), password)
    dice = random.Random(count)
    connections = sent = 0
    packets = mutations(7, count)
    batch = list(_taken(packets, 40))
    while batch:
        connections += 1
        with contextlib.suppress(OSError), _open(target) as connection:
            connection.settimeout(0.05)
            if dice.random() < 0.5:
                connection.sendall(signed_in)
            for raw in batch:
                connection.sendall(raw)
                sent += 1
            connection.recv(4096)
        batch = list(_taken(packets, 40))
    return f"{sent} mutated packets of {count} sent over {connections} connections before they were closed"


def _taken(packets: Iterator[bytes], count: int) -> Iterator[bytes]:
    for _ in range(count):
        if (raw := next(packets, None)) is None:
            return
        yield raw


def taken_over_sessions(target: Target) -> str:
    """Let no device speak under another's client id."""
    victim = Device(target, VICTIM, f"kota/v1/{target.city}/bin/{VICTIM}/receipt")
    thieves: list[Device] = []
    try:
        victim.wait(victim.bus.connected.is_set, "the victim to be let in")
        connects = victim.bus.connects
        names = ("ingest", "kota-ingest", VICTIM, "keeper", "simulator")
        thieves += [Device(target, THIEF, client_id=client_id) for client_id in names]
        thieves[-1].wait(lambda: all(thief.bus.generation > 1 or thief.bus.connects for thief in thieves), "answers")
        be_served(target)
        assert victim.bus.connects == connects, "the victim was thrown out by another device"
        assert victim.bus.connected.is_set(), "the victim was thrown out by another device"
    finally:
        for device in (*thieves, victim):
            device.close()
    return "no client id of another was taken over, ingest heard all the while"


def forged_messages(target: Target) -> str:
    """Deliver no receipt, reading, status, review or will in another's name."""
    own = f"kota/v1/{target.city}/bin"
    victim = Device(target, VICTIM, f"{own}/{VICTIM}/receipt", f"{own}/{VICTIM}/command")
    thief = Device(target, THIEF)
    try:
        for device in (victim, thief):
            device.wait(device.bus.connected.is_set, "a sign-in")
        forged = json.dumps({"boot": "forged", "seqs": [[0, 2**53]]}).encode()
        for topic in (f"{own}/{VICTIM}/receipt", f"{own}/{VICTIM}/command", f"{own}/{VICTIM}/status"):
            thief.bus.publish(topic, forged)
            thief.bus.publish(topic, forged, retain=True)
        thief.bus.publish_and_wait(f"{own}/{THIEF}/event", b"{}", retain=False, timeout_s=_ANSWER_WITHIN_S)
        be_served(target)
        assert not _forged(victim), f"the victim heard {_forged(victim)[0].topic} from another device"
    finally:
        thief.close()
        victim.close()
    late = Device(target, VICTIM, f"{own}/{VICTIM}/receipt", f"{own}/{VICTIM}/command")
    try:
        late.wait(late.bus.connected.is_set, "a sign-in")
        be_served(target)
        assert not _forged(late), f"a forged {_forged(late)[0].topic} was retained"
    finally:
        late.close()
    return "nothing forged was delivered or retained"


def _forged(device: Device) -> list[Delivery]:
    """What a device has heard that nobody but a forger says."""
    return [delivery for delivery in device.heard if b"forged" in delivery.payload]


def a_forged_will(target: Target) -> str:
    """Speak no will on another's topic."""
    own = f"kota/v1/{target.city}/bin"
    victim = Device(target, VICTIM, f"{own}/{VICTIM}/receipt")
    try:
        victim.wait(victim.bus.connected.is_set, "the victim to be let in")
        with _open(target) as dying:
            will = f"{own}/{VICTIM}/receipt".encode(), b'{"boot":"forged","seqs":[[0,9]]}'
            name, password = THIEF.encode(), target.password(THIEF).encode()
            dying.sendall(connect(name, name, password, will=will))
            dying.settimeout(_ANSWER_WITHIN_S)
            dying.recv(4)
        be_served(target)
        assert not _forged(victim), "a forged will was delivered"
    finally:
        victim.close()
    return "a will on another's topic was not spoken"


def messages_that_cost_much(target: Target) -> str:
    """Make nobody wait for a message full of tiny elements, or full of epochs, of a device that has gone mad."""
    topic = f"kota/v1/{target.city}/bin/{THIEF}/telemetry"
    mad = Device(target, THIEF)
    waits = []
    try:
        mad.wait(mad.bus.connected.is_set, "a sign-in")
        elements = MAX_PAYLOAD_BYTES // 25
        for body in (
            b"[" + b",".join(b"{}" for _ in range(elements)) + b"]",
            b"[" + b",".join(b'{"boot":"b%d","seq":1}' % number for number in range(elements // 2)) + b"]",
            b"[" * MAX_PAYLOAD_BYTES,
            b'{"a":' * (MAX_PAYLOAD_BYTES // 5),
        ):
            for _ in range(5):
                mad.bus.publish(topic, body[:MAX_PAYLOAD_BYTES])
            waits.append(be_served(target))
    finally:
        mad.close()
    return f"20 such messages; the worst wait of an honest device was {max(waits):.2f} s"


def packets_beyond_the_bound(target: Target) -> str:
    """Hang up on who sends more than is allowed, before it is all there."""
    topic = f"kota/v1/{target.city}/bin/{THIEF}/telemetry".encode()
    sign_in = connect(THIEF.encode(), THIEF.encode(), target.password(THIEF).encode())
    sent = 0
    with _open(target) as greedy:
        greedy.sendall(sign_in)
        greedy.settimeout(_ANSWER_WITHIN_S)
        greedy.recv(4)
        huge = publish(topic, b" " * (32 << 20))
        try:
            for place in range(0, len(huge), 1 << 16):
                greedy.sendall(huge[place : place + (1 << 16)])
                sent = place
        except OSError:
            return f"cut off after {sent >> 10} KiB of 32 MiB"
        with contextlib.suppress(OSError):
            assert not greedy.recv(4), "a packet of 32 MiB was acknowledged"
    return "a packet of 32 MiB was not acknowledged"


def messages_never_released(target: Target, mib: int = 150) -> str:
    """Keep no more than a bound of messages of QoS 2 whose sender never ends the handshake."""
    topic = f"kota/v1/{target.city}/bin/{THIEF}/telemetry".encode()
    folder = target.data / "broker"
    payload = random.randbytes(200_000)
    sent = 0
    with _open(target) as greedy:
        greedy.sendall(connect(THIEF.encode(), THIEF.encode(), target.password(THIEF).encode()))
        greedy.settimeout(_ANSWER_WITHIN_S)
        greedy.recv(4)
        with contextlib.suppress(OSError):
            for number in range(1, mib * 5):
                greedy.sendall(publish(topic, payload, qos=2, number=number))
                greedy.recv(4096)
                sent += 1
    waited_s = be_served(target)
    kept = _bytes_below(folder) >> 20
    assert kept < mib, f"the broker keeps {kept} MiB"
    return f"{sent} messages of 200 kB never released, {kept} MiB kept, an honest one served after {waited_s:.2f} s"


def _bytes_below(folder: Path) -> int:
    """Size of all files below a folder, of which the broker deletes some meanwhile."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += (Path(root) / name).stat().st_size
    return size


def a_flood_of_large_messages(target: Target, connections: int = 8) -> str:
    """Serve a device while a third-party server sends its largest messages as fast as it can."""
    name = FLOODING_GATEWAY.encode()
    made = ensure_gateway(target, FLOODING_GATEWAY)
    sent = [0] * connections
    over = threading.Event()

    def flood(number: int) -> None:
        payload = random.randbytes(GATEWAY_PAYLOAD_BYTES)
        while not over.is_set():
            with contextlib.suppress(OSError), _open(target) as link:
                link.settimeout(CLOSED_WITHIN_S)
                link.sendall(connect(b"flood-%d" % number, name, target.password(FLOODING_GATEWAY).encode()))
                if link.recv(4)[3:] != b"\0":
                    continue
                while not over.is_set():
                    link.sendall(publish(b"unifi/default/device", payload, qos=number % 2, number=sent[number] + 1))
                    sent[number] += 1

    threads = [threading.Thread(target=flood, args=(number,), daemon=True) for number in range(connections)]
    try:
        for thread in threads:
            thread.start()
        until_s = time.monotonic() + CLOSED_WITHIN_S
        while not any(sent) and time.monotonic() < until_s:
            time.sleep(0.01)
        assert any(sent), "the gateway was not let in"
        waits = [be_served_elsewhere(target) for _ in range(5)]
    finally:
        over.set()
        for thread in threads:
            thread.join(CLOSED_WITHIN_S)
        if made:
            Gateways(target.data).revoke(FLOODING_GATEWAY)
    mib = broker_memory_bytes(target) >> 20
    assert mib < BROKER_MEMORY_MAX_MIB, f"the broker took {mib} MiB"
    return (
        f"{sum(sent)} messages of 8 MiB, at most {mib} MiB in the broker, honest ones served after {max(waits):.2f} s"
    )


BUS: Final = (
    Attempt("packets beyond the bound", packets_beyond_the_bound),
    Attempt("mutated packets", mutated_packets),
    Attempt("connects without a password", connects_without_a_password),
    Attempt("silent connections", silent_connections),
    Attempt("large connects", large_connects),
    Attempt("messages never released", messages_never_released),
    Attempt("taken-over sessions", taken_over_sessions),
    Attempt("forged messages", forged_messages),
    Attempt("a forged will", a_forged_will),
    Attempt("messages that cost much", messages_that_cost_much),
    Attempt("a flood of large messages", a_flood_of_large_messages),
)
