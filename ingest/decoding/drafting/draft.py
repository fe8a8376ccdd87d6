"""Draft of a profile for an unknown model: its keys with proposals, and the profile that a mapping of keys makes.

messages -> `read_examples` -> `draft_profile` (keys, proposals) -> mapping, as proposed or edited -> `to_profile`
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from broker.contract.topics import KINDS, Kind
from city.inventory.field_types import show
from city.inventory.model import FieldRule, Profile
from city.inventory.problems import InventoryError, InventoryProblem
from city.inventory.profiles import suggest
from city.inventory.units import field_unit
from ingest.decoding.drafting.key_samples import Examples, KeySample, collect_keys, usual_interval_s
from ingest.decoding.drafting.precedents import precedent_proposals
from ingest.decoding.drafting.proposals import TIME_FIELD, Confidence, FieldProposal, propose
from ingest.decoding.drafting.states import choices_for
from ingest.decoding.drafting.unit_choices import (
    OPPOSITE,
    choices_of,
    column_type,
    fields_to_map,
    parse_choice,
)

_SCORES: Final[Mapping[Confidence, int]] = {"sure": 3, "likely": 2, "guess": 0}
_MATCH_MAX: Final = 100
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
_NAME_MAX: Final = 40


class DraftKey(msgspec.Struct, frozen=True):
    """A key with its proposals, the best first; without any it has no meaning here."""

    sample: KeySample
    proposals: tuple[FieldProposal, ...]

    @property
    def chosen(self) -> FieldProposal | None:
        """The proposal that is used unless somebody says otherwise; a guess never is."""
        best = self.proposals[0] if self.proposals else None
        return best if best and best.confidence != "guess" else None


class KeyMapping(msgspec.Struct, frozen=True):
    """What a key is read as; `unit` is a unit choice, empty for that of the contract."""

    key: str
    field: str
    unit: str = ""


class ProfileDraft(msgspec.Struct, frozen=True):
    """The keys of a device, with proposals for a kind; `left_out` more keys are not listed."""

    kind: Kind
    examples: Examples
    keys: tuple[DraftKey, ...]
    left_out: int

    @property
    def mapping(self) -> tuple[KeyMapping, ...]:
        """The mapping that is proposed."""
        return tuple(KeyMapping(key.sample.path, best.field, best.unit) for key in self.keys if (best := key.chosen))


def draft_profile(examples: Examples, kind: Kind, profiles: Iterable[Profile]) -> ProfileDraft:
    """Draft a profile for a kind of device. `profiles` are those whose rules may serve as precedents."""
    return _draft(examples, kind, list(profiles), collect_keys(examples.records))


def likely_draft(examples: Examples, profiles: Sequence[Profile]) -> ProfileDraft:
    """The draft for the kind of device that most of the keys speak of."""
    collected = collect_keys(examples.records)
    return max((_draft(examples, kind, profiles, collected) for kind in KINDS), key=_score)


def _draft(
    examples: Examples, kind: Kind, profiles: Sequence[Profile], collected: tuple[list[KeySample], int]
) -> ProfileDraft:
    samples, left_out = collected
    precedents = precedent_proposals(samples, kind, suggest(profiles, examples.adapter, "", kind))
    proposals = propose(samples, kind, precedents=precedents, known=examples.known, has_time=examples.has_time)
    keys = (DraftKey(sample, tuple(proposals[sample.path])) for sample in samples)
    return ProfileDraft(kind, examples, tuple(sorted(keys, key=_order)), left_out)


def _score(draft: ProfileDraft) -> int:
    return sum(_SCORES[key.chosen.confidence] for key in draft.keys if key.chosen)


def _order(key: DraftKey) -> tuple[int, str]:
    """Keys that are read first, then those with guesses, then all others."""
    return (0 if key.chosen else 1 if key.proposals else 2, key.sample.path)


def free_name(texts: Iterable[str], taken: Collection[str]) -> str:
    """A name for a profile that is not taken, out of the first text that has letters of an id."""
    words = (_NO_NAME.sub("-", text.lower()).strip("-")[:_NAME_MAX].strip("-") for text in texts)
    name = next(filter(None, words), "profile")
    numbered = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(free for free in numbered if free not in taken)


def to_profile(
    draft: ProfileDraft, name: str, mapping: Sequence[KeyMapping], *, title: str = "", model: str = ""
) -> Profile:
    """The profile that a mapping makes.

    Args:
        draft: For the kind, the format, and the states that a key has had.
        name: Id of the profile.
        mapping: Fields of keys.
        title: Name for people; empty takes the id.
        model: The model's name at its network server, for which the profile is then suggested.

    Raises:
        InventoryError: A field or a unit is none of this kind, or a field has several keys.
    """
    samples = {key.sample.path: key.sample for key in draft.keys}
    problems = []
    for number, entry in enumerate(mapping):
        message = _fault(draft.kind, entry, mapping[:number])
        if not message and entry.key not in samples:
            message = f"the messages have no key {show(entry.key)}"
        if message:
            problems.append(InventoryProblem(name, f"mapping.{number}", message))
    if problems:
        raise InventoryError(problems)
    matches = (model.lower(),) if 0 < len(model) <= _MATCH_MAX and "\0" not in model else ()
    return Profile(
        name,
        draft.kind,
        {entry.field: _rule(draft.kind, entry, samples.get(entry.key)) for entry in mapping if not _is_time(entry)},
        name=title or name,
        codec=draft.examples.codec,
        time=tuple(entry.key for entry in mapping if _is_time(entry)),
        matches=matches,
        adapters=(draft.examples.adapter,) if draft.examples.adapter else (),
        interval_s=usual_interval_s(draft.examples),
    )


def _is_time(entry: KeyMapping) -> bool:
    return entry.field == TIME_FIELD


def _fault(kind: Kind, entry: KeyMapping, before: Sequence[KeyMapping]) -> str:
    """What is wrong with an entry of a mapping; empty if nothing is."""
    fields = (*fields_to_map(kind), TIME_FIELD)
    if not entry.key:
        return "names no key"
    if entry.field not in fields:
        return f"a {kind} has no field {entry.field!r}; known: {', '.join(fields)}"
    if other := next((other for other in before if other.field == entry.field), None):
        return f"{entry.field} is read from {other.key!r} already"
    if _is_time(entry):
        return "" if not entry.unit else "a time has no unit"
    return _unit_fault(kind, entry)


def _unit_fault(kind: Kind, entry: KeyMapping) -> str:
    known = choices_of(kind, entry.field)
    try:
        choice = parse_choice(entry.unit) if column_type(kind, entry.field) != "flag" else None
    except ValueError as exc:
        return f"{exc}; known for {entry.field}: {', '.join(filter(None, known)) or 'none'}"
    plain = choice and choice.unit + ("-empty" if choice.counts_empty else "")
    if entry.unit and entry.unit not in known and plain not in known:
        return f"{entry.unit!r} is no unit of {entry.field}; known: {', '.join(filter(None, known)) or 'none'}"
    return ""


def _rule(kind: Kind, entry: KeyMapping, sample: KeySample | None) -> FieldRule:
    if column_type(kind, entry.field) == "flag":
        words = sample.words if sample else ()
        return FieldRule((entry.key,), choices=choices_for(words, opposite=entry.unit == OPPOSITE))
    choice = parse_choice(entry.unit)
    unit = "" if choice.unit == field_unit(entry.field) else choice.unit
    is_zero_seen = sample is not None and 0.0 in sample.numbers
    return FieldRule(
        (entry.key,),
        scale=choice.scale,
        unit=unit,
        percent_of="empty" if choice.counts_empty else "filled",
        invalid=(0,) if entry.field == "distance_mm" and is_zero_seen else (),
    )
