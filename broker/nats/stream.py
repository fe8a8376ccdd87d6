"""The stream of all QoS 1 messages, bounded, and the consumers that retain it until ingest has read it.

nats-server creates this stream when the first device connects, without bounds, and drops what nobody consumes. The
service creates it first, with bounds and a consumer, so that messages acknowledged before ingest's first start are
kept.
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
from broker.nats.subjects import MESSAGES, STREAM

log = structlog.get_logger("broker")

SWEEP_EVERY_S: Final = 15.0
MAX_AGE_S: Final = 14 * 86_400.0
"""Messages that ingest has not read in two weeks are deleted, as on Mosquitto."""
CONSUMERS: Final = ("ingest-0", "ingest-1")
"""Names of ingest's consumer, used alternately."""
IN_FLIGHT_MAX: Final = 20_000
"""Messages handed to ingest and not acknowledged."""
ACK_WAIT_S: Final = 3_600.0
"""No redelivery within a connection: only a new connection re-reads, with a new consumer."""


def stream_config(max_bytes: int) -> api.StreamConfig:
    """The stream's configuration; at its bound it refuses new messages, so that devices keep them."""
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
    """Delete the files of our consumers that the server did not load because they are damaged.

    The server would refuse a new one of the same name for ever. Call it before ingest is let in.

    Args:
        js: The account's JetStream.
        store: The server's `store_dir`.
        account: The account of the streams.
    """
    existing = await _existing(js)
    for name in CONSUMERS:
        folder = store / "jetstream" / account / "streams" / STREAM / "obs" / name
        if name not in existing and folder.is_dir():
            log.error("broker.consumer_unreadable", folder=str(folder))
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def ensure_stream(js: JetStreamContext, max_bytes: int) -> None:
    """Make the stream and a first consumer, which holds everything, or bring the stream's bounds up to date."""
    wanted = stream_config(max_bytes)
    try:
        stream = await js.stream_info(STREAM)
    except NotFoundError:
        await js.add_stream(wanted)
    else:
        if (stream.config.max_bytes, stream.config.discard) != (max_bytes, api.DiscardPolicy.NEW):
            await js.update_stream(wanted)
    if not await _existing(js):
        await js.add_consumer(STREAM, consumer_config(CONSUMERS[0], (">",)))


class Sweeper:
    """Removes messages that ingest has, and that may name people's devices, from the broker's disk within a minute.

    Deleted messages stay in a stream's files until the files are full; the files of an empty stream can be purged.

    Args:
        streams: Accounts' JetStream, with the name of a stream there.
    """

    def __init__(self, streams: Iterable[tuple[JetStreamContext, str]]) -> None:
        self._due_s = 0.0
        self._swept = dict.fromkeys(streams, 0)

    async def sweep_if_due(self, now_s: float) -> None:
        """Sweep when it is due."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + SWEEP_EVERY_S
        for js, name in self._swept:
            with contextlib.suppress(NatsError, TimeoutError):  # a stream that is not there yet, or a slow disk
                await self._sweep(js, name)

    async def _sweep(self, js: JetStreamContext, name: str) -> None:
        """Purge the files of an empty stream; a message that arrives meanwhile stays."""
        state = (await js.stream_info(name)).state
        if not state.messages and state.last_seq > self._swept[js, name]:
            await js.purge_stream(name, seq=state.last_seq + 1)
            self._swept[js, name] = state.last_seq


async def renew_consumer(js: JetStreamContext, subjects: tuple[str, ...]) -> str:
    """Create a new consumer, delete the one before it, and return its name.

    The new one starts with the oldest message that the other had not acknowledged, in order. The stream keeps every
    message until each consumer has it, so none falls between.
    """
    existing = await _existing(js)
    if len(existing) == len(CONSUMERS):  # cut off in between: the second was never read
        await js.delete_consumer(STREAM, existing.pop())
    name = next(candidate for candidate in CONSUMERS if candidate not in existing)
    await js.add_consumer(STREAM, consumer_config(name, subjects))
    for old in existing:
        await js.delete_consumer(STREAM, old)
    return name


async def _existing(js: JetStreamContext) -> list[str]:
    """Our consumers that exist, the older first."""
    consumers = []
    for name in CONSUMERS:
        with contextlib.suppress(NotFoundError):
            consumers.append(await js.consumer_info(STREAM, name))
    return [info.name for info in sorted(consumers, key=lambda info: str(info.created))]
