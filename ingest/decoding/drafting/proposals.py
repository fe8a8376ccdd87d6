"""Proposals: which field of the contract a key of an unknown model may hold, in which unit, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from broker.contract.topics import Kind
from city.inventory.units import can_convert, field_unit
from ingest.decoding.drafting.field_words import EMPTY_WORDS, TIME_WORDS, WordMatch, match_words, words_in
from ingest.decoding.drafting.key_samples import KeySample
from ingest.decoding.drafting.states import state_of
from ingest.decoding.drafting.unit_choices import column_type, contradicts, fields_to_map, fits, likely_choices
from ingest.decoding.formats.parsing import parse_any_time

Confidence = Literal["sure", "likely", "guess"]
ReasonCode = Literal[
    "profile",
    "unit_value",
    "unit_name",
    "range",
    "states",
    "time",
    "weak_name",
    "several_units",
    "several_fields",
    "several_keys",
    "content_height",
]
TIME_FIELD: Final = "time"
"""What a key that holds the time of measurement is mapped to; it is no field of the contract."""
REASONS: Final[dict[ReasonCode, str]] = {
    "profile": "the profile {word} reads this key so",
    "unit_value": "the name says {word}, and the unit stands behind the value",
    "unit_name": "the name says {word}, and ends in the unit",
    "range": "the name says {word}, and the values are usual for this unit",
    "states": "the name says {word}, and the values are states",
    "time": "the values are times shortly before the messages came",
    "weak_name": "{word} in the name may mean this",
    "several_units": "the name says {word}; the values fit several units",
    "several_fields": "{word} in the name may mean several things",
    "several_keys": "several keys may hold this",
    "content_height": "{word} may be the distance to the content, or the height of the content",
}
_TIME_NEAR: Final = timedelta(days=7)
_RANKS: Final[dict[Confidence, int]] = {"sure": 0, "likely": 1, "guess": 2}


class FieldProposal(msgspec.Struct, frozen=True):
    """A field that a key may hold.

    `unit` is a unit choice (`cm`, `share`, `deg*1e-07`, `pct-empty`, `not`), empty for none. A guess is offered only.
    """

    field: Annotated[str, Meta(description="A field of the contract, or `time`.")]
    unit: str
    confidence: Confidence
    reason: ReasonCode
    word: Annotated[str, Meta(description="What the reason is about.")] = ""

    @property
    def reason_text(self) -> str:
        """The reason as a sentence."""
        return REASONS[self.reason].format(word=repr(self.word))

    def as_guess(self, reason: ReasonCode) -> FieldProposal:
        """This proposal with less confidence."""
        return msgspec.structs.replace(self, confidence="guess", reason=reason)


Proposals = dict[str, list[FieldProposal]]
"""Path of a key to its proposals, the best first."""


def propose(
    samples: Sequence[KeySample],
    kind: Kind,
    *,
    precedents: Proposals,
    known: Collection[str] = (),
    has_time: bool = True,
) -> Proposals:
    """Propose fields for the keys of a device.

    Args:
        samples: Its keys.
        kind: The kind of the device.
        precedents: What existing profiles make of the keys (`precedent_proposals`).
        known: Fields that the format gives itself; they are not proposed.
        has_time: Whether the format gives the time of measurement; otherwise a key is sought that holds it.
    """
    fields = [field for field in fields_to_map(kind) if field not in known]
    proposals = {
        sample.path: _merge(
            [proposal for proposal in precedents.get(sample.path, ()) if proposal.field not in known],
            ([] if has_time else _time_proposals(sample))
            or _one_field([proposal for field in fields for proposal in _by_words(sample, kind, field)]),
        )
        for sample in samples
    }
    return _promote_level(_one_key(proposals))


def _by_words(sample: KeySample, kind: Kind, field: str) -> list[FieldProposal]:
    """Proposals for one field, by the key's name and values."""
    is_flag = column_type(kind, field) == "flag"
    match = match_words(sample.path, field, is_flag=is_flag)
    if match is None:
        return []
    if is_flag:
        return _flag_proposals(sample, field, match)
    return _number_proposals(sample, kind, field, match) if sample.numbers else []


def _flag_proposals(sample: KeySample, field: str, match: WordMatch) -> list[FieldProposal]:
    values = [value.value for value in sample.values if value.value not in (None, "")]
    are_states = bool(values) and all(state_of(word) is not None for word in (*sample.words, *values))
    if not are_states or not {0.0, 1.0}.issuperset(sample.numbers):
        return []
    confidence: Confidence = "likely" if match.strength == "strong" else "guess"
    return [FieldProposal(field, "", confidence, "states" if confidence == "likely" else "weak_name", match.word)]


def _number_proposals(sample: KeySample, kind: Kind, field: str, match: WordMatch) -> list[FieldProposal]:
    wanted, unit = field_unit(field), sample.unit or match.unit
    if unit and wanted:
        if not can_convert(unit, wanted):
            return []
        choices = [unit] if fits(kind, field, unit, sample) and (sample.unit or not contradicts(field, sample)) else []
        reason: ReasonCode = "unit_value" if sample.unit else "unit_name"
    else:
        choices, reason = likely_choices(kind, field, sample), "range"
    if field == "fill_pct" and EMPTY_WORDS.intersection(words_in(sample.path)):
        choices = [f"{choice}-empty" for choice in choices]
    confidence = _confidence(match, choices, has_unit=bool(unit and wanted), field=field)
    if confidence == "guess":
        reason = _doubt(match, choices, field)
    return [FieldProposal(field, choice, confidence, reason, match.word) for choice in choices]


def _confidence(match: WordMatch, choices: Sequence[str], *, has_unit: bool, field: str) -> Confidence:
    if len(choices) != 1 or match.strength == "doubtful":
        return "guess"
    if match.strength == "weak":
        return "likely" if has_unit else "guess"
    is_position = field in ("lat_deg", "lon_deg") and choices[0] == "deg"
    return "sure" if has_unit or is_position else "likely"


def _doubt(match: WordMatch, choices: Sequence[str], field: str) -> ReasonCode:
    if len(choices) > 1:
        return "several_units"
    return "content_height" if match.strength == "doubtful" and field == "distance_mm" else "weak_name"


def _one_field(proposals: list[FieldProposal]) -> list[FieldProposal]:
    """The proposals of a key, the best first; of several fields that are equally good none is chosen."""
    ranked = sorted(proposals, key=lambda proposal: _RANKS[proposal.confidence])
    best = {proposal.field for proposal in ranked if proposal.confidence == ranked[0].confidence}
    if ranked and ranked[0].confidence != "guess" and len(best) > 1:
        return [proposal.as_guess("several_fields") for proposal in ranked]
    return ranked


def _merge(first: Sequence[FieldProposal], second: Sequence[FieldProposal]) -> list[FieldProposal]:
    """Proposals by existing profiles before those by words, each field and unit once."""
    merged: dict[tuple[str, str], FieldProposal] = {}
    for proposal in (*first, *second):
        other = merged.get((proposal.field, proposal.unit))
        if other is None or _RANKS[proposal.confidence] < _RANKS[other.confidence]:
            merged[proposal.field, proposal.unit] = proposal
    return list(merged.values())


def _one_key(proposals: Proposals) -> Proposals:
    """Each field has one key: the one with the most confidence; of several equal ones none is chosen."""
    claims: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for path, (best, *_) in ((path, listed) for path, listed in proposals.items() if listed):
        if best.confidence != "guess":
            claims[best.field].append((_RANKS[best.confidence], path))
    winners = {field: sorted(paths) for field, paths in claims.items()}
    return {
        path: [
            proposal.as_guess("several_keys") if _loses(path, proposal, winners.get(proposal.field, [])) else proposal
            for proposal in listed
        ]
        for path, listed in proposals.items()
    }


def _loses(path: str, proposal: FieldProposal, ranked: list[tuple[int, str]]) -> bool:
    if proposal.confidence == "guess" or len(ranked) < 2:  # noqa: PLR2004 - another key
        return False
    is_tie = ranked[0][0] == ranked[1][0]
    return is_tie or ranked[0][1] != path


def _promote_level(proposals: Proposals) -> Proposals:
    """A level beside a measured distance is the fill level that the device makes of it."""
    chosen = {listed[0].field for listed in proposals.values() if listed and listed[0].confidence != "guess"}
    if "distance_mm" not in chosen or "fill_pct" in chosen:
        return proposals
    return {path: _fill_level_first(listed) for path, listed in proposals.items()}


def _fill_level_first(listed: list[FieldProposal]) -> list[FieldProposal]:
    fills = [proposal for proposal in listed if proposal.field == "fill_pct"]
    is_guess = bool(listed) and listed[0].confidence == "guess"
    if not is_guess or len(fills) != 1 or {proposal.field for proposal in listed} - {"fill_pct", "distance_mm"}:
        return listed
    level = msgspec.structs.replace(fills[0], confidence="likely", reason="range")
    return [level, *(proposal for proposal in listed if proposal.field != "fill_pct")]


def _time_proposals(sample: KeySample) -> list[FieldProposal]:
    """The proposal of a key that is called a time, and holds times near those of receipt."""
    words = words_in(sample.path.rpartition(".")[2])
    name = next((word for word in words if word in TIME_WORDS), "")
    values = [value for value in sample.values if value.value not in (None, "")]
    if not name or not values or not all(_is_near(value.value, value.at) for value in values):
        return []
    return [FieldProposal(TIME_FIELD, "", "likely", "time", name)]


def _is_near(value: object, at: datetime) -> bool:
    """Whether a value is a time shortly before the receipt; without a zone it may be of any."""
    measured_at = parse_any_time(value)
    if measured_at is None:
        return False
    aware = measured_at if measured_at.tzinfo else measured_at.replace(tzinfo=UTC)
    return abs(aware - at) < _TIME_NEAR
