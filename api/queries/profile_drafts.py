"""Drafts of profiles for unknown devices: their keys with values over time, proposals, and what a mapping stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.context import ApiContext
from broker.contract.topics import Kind
from city.errors import ConfigError
from city.inventory.model import Profile
from ingest.decoding.drafting.draft import ProfileDraft, draft_profile, likely_draft
from ingest.decoding.drafting.key_samples import read_examples
from ingest.decoding.dry_run import DryRunResult
from ingest.store.parked.quarantine import QuarantinedMessage, UnknownDevice

TRIED: Final = 3
"""Newest messages of which the readings are shown."""


def draft_of(context: ApiContext, device: UnknownDevice, kind: Kind | None, codec: str = "") -> ProfileDraft:
    """The draft for an unknown device.

    Args:
        context: For the messages and the city.
        device: The unknown device.
        kind: Its kind; None takes the likely one.
        codec: The codec of its frames; empty takes what the network server has decoded.

    Raises:
        ConfigError: There is no such codec.
    """
    codecs = context.city.codecs
    if codec and codec not in codecs:
        raise ConfigError(f"there is no codec {codec!r}; known: {', '.join(sorted(codecs)) or 'none'}")
    arrivals = [message.arrival() for message in context.quarantine.messages_of(device.id)]
    addresses = {device.address} if device.address else ()
    examples = read_examples(arrivals, addresses, codecs.get(codec), context.codecs)
    profiles = list(context.city.profiles.values())
    return draft_profile(examples, kind, profiles) if kind else likely_draft(examples, profiles)


def try_profile_on(
    context: ApiContext, messages: Sequence[QuarantinedMessage], profile: Profile, container: str
) -> list[DryRunResult]:
    """What a profile makes of the newest messages, newest first."""
    return [context.preview(profile, message, container) for message in reversed(messages[-TRIED:])]
