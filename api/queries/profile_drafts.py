"""Drafts of profiles for unknown devices: their keys with values over time, proposals, and what a mapping stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.context import ApiContext
from broker.contract.topics import Kind
from city.inventory.model import Profile
from ingest.decoding.drafting.draft import ProfileDraft, draft_profile, likely_draft
from ingest.decoding.drafting.key_samples import read_examples
from ingest.decoding.dry_run import DryRunResult
from ingest.store.parked.quarantine import QuarantinedMessage, UnknownDevice

TRIED: Final = 3
"""Newest messages of which the readings are shown."""


def draft_of(context: ApiContext, device: UnknownDevice, kind: Kind | None) -> ProfileDraft:
    """The draft for an unknown device; of the likely kind if none is given."""
    arrivals = [message.arrival() for message in context.quarantine.messages_of(device.id)]
    examples = read_examples(arrivals, {device.address} if device.address else ())
    profiles = list(context.city.profiles.values())
    return draft_profile(examples, kind, profiles) if kind else likely_draft(examples, profiles)


def try_profile_on(
    context: ApiContext, messages: Sequence[QuarantinedMessage], profile: Profile, container: str
) -> list[DryRunResult]:
    """What a profile makes of the newest messages, newest first."""
    return [context.preview(profile, message, container) for message in reversed(messages[-TRIED:])]
