"""The streams in which nats-server keeps MQTT's own state, made first with bounds: those it makes have none.

Without bounds one account could fill the disk: with retained messages under ever new topics, with messages of QoS 2
that it never releases, or, as a gateway, with sessions under ever new client ids.
"""

from __future__ import annotations

from typing import Final

from broker.nats.library import JetStreamContext, NotFoundError
from broker.nats.library import stream_api as api
from broker.nats.subjects import HELD, RETAINED, RETAINED_MESSAGES, STREAM

STATE_MAX_BYTES: Final = 64 << 20
"""Of each of these streams; at its bound it refuses the new."""
RETAINED_MAX: Final = 50_000
SESSIONS_MAX: Final = 20_000
HELD_MAX_AGE_S: Final = 3_600.0
"""A message of QoS 2 that is not released by then is given up; its sender sends it again."""
SESSIONS: Final = "$MQTT_sess"
_NOWHERE: Final = "kota.nowhere"


async def ensure_state_streams(js: JetStreamContext, *, of_gateways: bool = False) -> None:
    """Make the streams of an account, or bring their bounds up to date.

    Args:
        js: JetStream of the account.
        of_gateways: Whether it is the account of gateways. Its stream of messages takes none: the city's answers in its
            place. The one that the server makes acknowledges a message before the city has it.
    """
    wanted = [_retained_stream(), _qos2_stream(), _sessions_stream()]
    if of_gateways:
        wanted.append(_state_stream(STREAM, _NOWHERE, retention=api.RetentionPolicy.INTEREST))
    for config in wanted:
        assert config.name is not None  # noqa: S101 - ours have one
        try:
            existing = (await js.stream_info(config.name)).config
        except NotFoundError:
            await js.add_stream(config)
        else:
            if (existing.max_bytes, existing.max_msgs) != (config.max_bytes, config.max_msgs or -1):
                await js.update_stream(config)


def _retained_stream() -> api.StreamConfig:
    return _state_stream(RETAINED, f"{RETAINED_MESSAGES}>", max_msgs=RETAINED_MAX, max_msgs_per_subject=1)


def _qos2_stream() -> api.StreamConfig:
    return _state_stream(
        HELD, "$MQTT.qos2.>", max_msgs_per_subject=1, discard_new_per_subject=True, max_age=HELD_MAX_AGE_S
    )


def _sessions_stream() -> api.StreamConfig:
    return _state_stream(SESSIONS, "$MQTT.sess.>", max_msgs=SESSIONS_MAX, max_msgs_per_subject=1)


def _state_stream(name: str, subjects: str, **more: object) -> api.StreamConfig:
    return api.StreamConfig(
        name=name,
        subjects=[subjects],
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=STATE_MAX_BYTES,
        num_replicas=1,
        **more,  # type: ignore[arg-type]
    )
