"""The stream of everything devices publish at QoS 1, bounded, and the consumers that hold it until ingest has it.

nats-server makes this stream itself when the first device connects, without bounds, and drops what nobody consumes. The
service makes it beforehand, with bounds, and a consumer, so that what is acknowledged before ingest's first day waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from broker.nats.library import JetStreamContext, NatsError, NotFoundError
from broker.nats.library import stream_api as api
from broker.nats.subjects import MESSAGES, RETAINED, RETAINED_MESSAGES, STREAM

log = structlog.get_logger("broker")

SWEEP_EVERY_S: Final = 15.0
MAX_AGE_S: Final = 14 * 86_400.0
"""What ingest has not taken in two weeks is given up, as on Mosquitto."""
CONSUMERS: Final = ("ingest-0", "ingest-1")
"""Names of ingest's consumer, taken in turns."""
IN_FLIGHT_MAX: Final = 20_000
"""Messages handed to ingest and not acknowledged."""
_NOWHERE: Final = "kota.nowhere"
ACK_WAIT_S: Final = 3_600.0
"""Only a reader that is connected anew asks again for what it has not acknowledged, and it begins a new consumer."""


def stream_config(max_bytes: int) -> api.StreamConfig:
    """The stream; at its bound it refuses the new, so that a device keeps what it has, and drops nothing it holds."""
    return api.StreamConfig(
        name=STREAM,
        subjects=[MESSAGES + ">"],
        retention=api.RetentionPolicy.INTEREST,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=max_bytes,
        max_age=MAX_AGE_S,
        num_replicas=1,
    )


def consumer_config(name: str, subjects: tuple[str, ...]) -> api.ConsumerConfig:
    """A durable pull consumer of everything that ingest reads, in order, from the oldest message kept."""
    return api.ConsumerConfig(
        name=name,
        durable_name=name,
        deliver_policy=api.DeliverPolicy.ALL,
        ack_policy=api.AckPolicy.ALL,
        ack_wait=ACK_WAIT_S,
        max_ack_pending=IN_FLIGHT_MAX,
        filter_subjects=[MESSAGES + subject for subject in subjects],
    )


async def clear_unreadable(js: JetStreamContext, store: Path, account: str) -> None:
    """Remove what lies on disk of consumers of ours that the server did not take up: it was damaged.

    The server would refuse a new one of the same name for ever. Call it before ingest is let in.

    Args:
        js: The account's JetStream.
        store: The server's `store_dir`.
        account: Whose streams these are.
    """
    present = await _present(js)
    for name in CONSUMERS:
        folder = store / "jetstream" / account / "streams" / STREAM / "obs" / name
        if name not in present and folder.is_dir():
            log.error("broker.consumer_unreadable", folder=str(folder))
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def ensure_stream(js: JetStreamContext, max_bytes: int) -> None:
    """Make the stream and a first consumer, which holds everything, or bring the stream's bounds up to date.

    The stream of retained messages is made as the server would: a gateway may retain something before any device of the
    city connects.
    """
    wanted = stream_config(max_bytes)
    try:
        found = await js.stream_info(STREAM)
    except NotFoundError:
        await js.add_stream(wanted)
    else:
        if (found.config.max_bytes, found.config.discard) != (max_bytes, api.DiscardPolicy.NEW):
            await js.update_stream(wanted)
    if not await _present(js):
        await js.add_consumer(STREAM, consumer_config(CONSUMERS[0], (">",)))
    subjects = [RETAINED_MESSAGES + ">"]
    retained = api.StreamConfig(
        name=RETAINED, subjects=subjects, storage=api.StorageType.FILE, max_msgs_per_subject=1, num_replicas=1
    )
    await _ensure(js, retained)


async def ensure_streams_of_gateways(js: JetStreamContext) -> None:
    """Make the stream of messages in the account of gateways one that takes none: the city's stream answers instead.

    The server makes one that takes them when the first gateway connects, and it acknowledges before the city has them.
    """
    nothing = api.StreamConfig(
        name=STREAM, subjects=[_NOWHERE], storage=api.StorageType.FILE, retention=api.RetentionPolicy.INTEREST
    )
    await _ensure(js, nothing)


async def _ensure(js: JetStreamContext, wanted: api.StreamConfig) -> None:
    assert wanted.name is not None  # noqa: S101 - ours have one
    try:
        await js.stream_info(wanted.name)
    except NotFoundError:
        await js.add_stream(wanted)


class Sweeper:
    """Takes messages that ingest has, and that may name people's devices, off the broker's disk within a minute.

    What was deleted lies in a stream's files until they are full; the files of one that is empty can be given up.

    Args:
        streams: Accounts' JetStream, with the name of a stream there.
    """

    def __init__(self, streams: Iterable[tuple[JetStreamContext, str]]) -> None:
        self._due_s = 0.0
        self._swept = dict.fromkeys(streams, 0)

    async def turn(self, now_s: float) -> None:
        """Sweep when it is time."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + SWEEP_EVERY_S
        for js, name in self._swept:
            with contextlib.suppress(NatsError, TimeoutError):  # a stream that is not there yet, or a slow disk
                await self._sweep(js, name)

    async def _sweep(self, js: JetStreamContext, name: str) -> None:
        """Give up the files of a stream that is empty; a message that comes meanwhile stays."""
        state = (await js.stream_info(name)).state
        if not state.messages and state.last_seq > self._swept[js, name]:
            await js.purge_stream(name, seq=state.last_seq + 1)
            self._swept[js, name] = state.last_seq


async def renew_consumer(js: JetStreamContext, subjects: tuple[str, ...]) -> str:
    """Begin a new consumer, end the one before it, and give its name.

    The new one begins with the oldest message that the other had not acknowledged, in order; the stream keeps every
    message until each consumer has it, so nothing falls in between.
    """
    present = await _present(js)
    if len(present) == len(CONSUMERS):  # cut off in between: the second was never read
        await js.delete_consumer(STREAM, present.pop())
    name = next(one for one in CONSUMERS if one not in present)
    await js.add_consumer(STREAM, consumer_config(name, subjects))
    for one in present:
        await js.delete_consumer(STREAM, one)
    return name


async def _present(js: JetStreamContext) -> list[str]:
    """Which consumers of ours there are, the older first."""
    found = []
    for name in CONSUMERS:
        with contextlib.suppress(NotFoundError):
            found.append(await js.consumer_info(STREAM, name))
    return [one.name for one in sorted(found, key=lambda one: str(one.created))]
