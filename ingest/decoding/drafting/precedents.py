"""Precedents: existing profiles that read the same keys in the same format, whose rules are the best proposals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from broker.contract.topics import Kind
from city.inventory.model import FieldRule, Profile
from city.inventory.units import field_unit
from ingest.decoding.drafting.key_samples import KeySample
from ingest.decoding.drafting.proposals import FieldProposal, Proposals
from ingest.decoding.drafting.states import state_of
from ingest.decoding.drafting.unit_choices import choices_of, column_type, contradicts, fits, likely_choices


def precedent_proposals(samples: Sequence[KeySample], kind: Kind, profiles: Iterable[Profile]) -> Proposals:
    """Proposals by the rules of profiles that read most of these keys, and whose rules all fit the values."""
    known = {sample.path: sample for sample in samples}
    rules_of = {profile.id: rules for profile in profiles if (rules := _matching_rules(known, kind, profile))}
    most = max((len(rules) for rules in rules_of.values()), default=0)
    proposals: defaultdict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for id_, rules in rules_of.items():
        if len(rules) == most:
            for path, field, unit in rules:
                proposals[path].setdefault((field, unit), id_)
    return {
        path: [
            FieldProposal(field, unit, "likely" if len(options) == 1 else "guess", "profile", id_)
            for (field, unit), id_ in options.items()
        ]
        for path, options in proposals.items()
    }


def _matching_rules(samples: dict[str, KeySample], kind: Kind, profile: Profile) -> list[tuple[str, str, str]]:
    """Path, field and unit choice of each rule whose key is there; nothing if one does not fit the values."""
    matching = []
    for field, rule in profile.fields.items():
        path = next((path for path in rule.source if path in samples), None)
        choice = _choice_of(rule, path, field) if path else None
        if path is None or choice is None or choice not in choices_of(kind, field):
            continue
        if not _suits(samples[path], kind, field, choice):
            return []
        matching.append((path, field, choice))
    return matching


def _choice_of(rule: FieldRule, path: str, field: str) -> str | None:
    """The unit choice of a rule; None for a rule that needs more than a unit choice."""
    if rule.signed_bits or rule.shift or (rule.choices and not all(isinstance(v, bool) for v in rule.choices.values())):
        return None
    unit = (rule.units[rule.source.index(path)] if rule.units else "") or rule.unit or field_unit(field)
    scale = f"*{rule.scale:g}" if rule.scale != 1 else ""
    return f"{unit}{scale}-empty" if rule.percent_of == "empty" else f"{unit}{scale}"


def _suits(sample: KeySample, kind: Kind, field: str, choice: str) -> bool:
    if column_type(kind, field) == "flag":
        return all(state_of(value.value) is not None for value in sample.values)
    likely = likely_choices(kind, field, sample)
    is_usual = not likely or choice.removesuffix("-empty") in likely
    return bool(sample.numbers) and is_usual and fits(kind, field, choice, sample) and not contradicts(field, sample)
