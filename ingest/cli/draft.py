"""`kota device draft`: a profile drafted from messages of an unknown model, with what it would store."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from broker.contract.topics import KINDS, Kind
from city.errors import ConfigError
from city.inventory.codecs import read_source, save_codec
from city.inventory.field_types import check_id
from city.inventory.model import City, Codec, Profile
from city.inventory.profile_toml import to_toml
from city.inventory.saved_profiles import save_profile
from ingest.cli.results import print_result
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.drafting.draft import (
    DraftKey,
    KeyMapping,
    ProfileDraft,
    draft_profile,
    free_name,
    likely_draft,
    to_profile,
)
from ingest.decoding.drafting.key_samples import read_examples
from ingest.decoding.dry_run import DryRunResult, dry_run
from ingest.decoding.formats.port import CodecRunner
from ingest.messages import Arrival
from ingest.store.parked.quarantine import UnknownDevice

_TRIED: Final = 3
"""Newest messages of which the readings are shown."""


class DraftReport(msgspec.Struct, frozen=True, kw_only=True):
    """The drafted profile, and the keys, mapping and readings behind it. `saved`: its file, empty if not saved."""

    profile: str
    kind: Kind
    adapter: str
    names: tuple[str, ...]
    keys: tuple[DraftKey, ...]
    left_out: int
    mapping: tuple[KeyMapping, ...]
    results: tuple[DryRunResult, ...]
    problems: tuple[str, ...]
    toml: str
    saved: str


def add_draft_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the action."""
    parser.add_argument(
        "sources", nargs="+", metavar="UNKNOWN|FILE", help="An unknown device, or with --topic files of messages."
    )
    parser.add_argument("--topic", default="", help="The topic to which the messages of the files are published.")
    parser.add_argument("--kind", choices=KINDS, help="The kind of the device; by default the likely one.")
    parser.add_argument("--profile", default="", metavar="NAME", help="The name of the profile.")
    parser.add_argument("--codec", default="", help="A codec of the city, or a .js file, that decodes the frames.")
    parser.add_argument("--title", default="", help="Maker and model, for people.")
    parser.add_argument(
        "--map", action="append", default=[], metavar="KEY=FIELD[:UNIT]", help="Read a key as a field; may be repeated."
    )
    parser.add_argument("--drop", action="append", default=[], metavar="KEY", help="Leave a key out; may be repeated.")
    parser.add_argument("--container", default="", help="A container model of the city, for the fill level.")
    parser.add_argument("--save", action="store_true", help="Save the profile in the data folder.")


def only_source(sources: Sequence[str]) -> str:
    """The unknown device that is named.

    Raises:
        ConfigError: There are several.
    """
    if len(sources) > 1:
        raise ConfigError("a draft is made of one unknown device; files need --topic")
    return sources[0]


def read_files(topic: str, paths: Iterable[str]) -> list[Arrival]:
    """The messages in files, one each, oldest first; `-` is standard input.

    Raises:
        ConfigError: A file cannot be read.
    """
    return [Arrival(topic, _read(path), datetime.now(UTC)) for path in paths]


def _read(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc


def find_codec(city: City, named: str) -> Codec:
    """A codec of the city, or one in a file, whose id is the file's name.

    Raises:
        ConfigError: There is none.
    """
    if named in city.codecs:
        return city.codecs[named]
    if not named.endswith(".js"):
        raise ConfigError(f"there is no codec {named!r}; known: {', '.join(city.codecs) or 'none'}")
    try:
        return Codec(check_id(Path(named).stem), read_source(Path(named)))
    except ValueError as exc:
        raise ConfigError(f"{named}: {exc}") from exc


def report_draft(
    args: argparse.Namespace, data: Path, city: City, messages: Sequence[Arrival], device: UnknownDevice | None
) -> DraftReport:
    """Draft a profile, try it on the newest messages, and save it, with its codec, if that is asked for.

    Raises:
        ConfigError: A key or field is unknown, or the name is taken.
        StorageError: The disk refuses.
    """
    codec = find_codec(city, args.codec) if args.codec else None
    known = city.with_devices(city.devices, codecs={**city.codecs, codec.id: codec}) if codec else city
    with contextlib.closing(IsolatedCodecRunner()) as codecs:
        addresses = {device.address} if device and device.address else ()
        examples = read_examples(messages, addresses, codec, codecs)
        profiles = list(city.profiles.values())
        draft = draft_profile(examples, args.kind, profiles) if args.kind else likely_draft(examples, profiles)
        mapping = edit_mapping(draft, args.map, args.drop)
        profile = to_profile(
            draft,
            args.profile or _name(device, draft, city),
            mapping,
            title=args.title,
            model=device.model if device else "",
        )
        results = tuple(_try(known, profile, messages, args.container, codecs))
    saved = _save(data, city, profile, codec) if args.save else ""
    return DraftReport(
        profile=profile.id,
        kind=draft.kind,
        adapter=examples.adapter,
        names=examples.names,
        keys=draft.keys,
        left_out=draft.left_out,
        mapping=tuple(mapping),
        results=results,
        problems=tuple(_problems(draft)),
        toml=to_toml(profile),
        saved=str(saved),
    )


def _save(data: Path, city: City, profile: Profile, codec: Codec | None) -> Path:
    """Save a profile, and its codec if the city does not have it yet."""
    if codec and codec != city.codecs.get(codec.id):
        save_codec(data, codec, city.codecs)
    return save_profile(data, profile, city.profiles)


def edit_mapping(draft: ProfileDraft, additions: Iterable[str], removals: Iterable[str]) -> list[KeyMapping]:
    """The proposed mapping with what the user added and removed. An added key or field takes the place of another.

    Raises:
        ConfigError: A key is not in the messages.
    """
    known = {key.sample.path for key in draft.keys}
    added = [_parse_mapping(text) for text in additions]
    removed = set(removals)
    for key in (*(entry.key for entry in added), *removed):
        if key not in known:
            raise ConfigError(f"the messages have no key {key!r}; they have: {', '.join(sorted(known)) or 'none'}")
    fields, keys = {entry.field for entry in added}, {entry.key for entry in added} | removed
    return [entry for entry in draft.mapping if entry.key not in keys and entry.field not in fields] + added


def _parse_mapping(text: str) -> KeyMapping:
    key, equals, target = text.rpartition("=")
    if not equals or not key:
        raise ConfigError(f"{text!r} is not KEY=FIELD or KEY=FIELD:UNIT")
    field, _, unit = target.partition(":")
    return KeyMapping(key, field, unit)


def _name(device: UnknownDevice | None, draft: ProfileDraft, city: City) -> str:
    texts = (device.model, device.label, device.address) if device else draft.examples.names
    return free_name(texts, city.profiles)


def _try(
    city: City, profile: Profile, messages: Sequence[Arrival], container: str, codecs: CodecRunner
) -> Iterable[DryRunResult]:
    newest = reversed(messages[-_TRIED:])
    return (dry_run(city, profile, message, model=container, codecs=codecs) for message in newest)


def _problems(draft: ProfileDraft) -> Iterable[str]:
    yield from draft.examples.problems
    if not draft.keys and draft.examples.has_frames:
        yield "the messages hold raw frames only; give the maker's codec with --codec FILE.js"
    if draft.left_out:
        yield f"{draft.left_out} more keys are not listed"


def print_report(report: DraftReport) -> None:
    """Print the keys with their values over time and proposals, the readings, and the profile."""
    print(f"adapter {report.adapter or '-'}, address {', '.join(report.names) or '-'}, kind {report.kind}\n")
    entries = {entry.key: entry for entry in report.mapping}
    for key in report.keys:
        _print_key(key, entries.get(key.sample.path))
    print("\nWhat would be stored of the newest messages:")
    for result in report.results:
        print_result(result)
    for problem in report.problems:
        print(f"note: {problem}", file=sys.stderr)
    print(f"\n# {report.profile}.toml\n{report.toml}", end="")
    print(f"\nsaved as {report.saved}; a running city has it within seconds" if report.saved else "")


def _print_key(key: DraftKey, entry: KeyMapping | None) -> None:
    sample = key.sample
    values = ", ".join(str(value.value) for value in sample.values)
    span = "" if sample.low is None else f", {sample.low:g} to {sample.high:g}"
    print(_on_one_line(f"{sample.path}: {values}"))
    print(f"    {sample.type} in {sample.messages} messages{span}")
    if entry:
        print(f"    -> {entry.field} {entry.unit}".rstrip())
    elif not key.proposals:
        print("    not used")
    for proposal in key.proposals:
        print(_on_one_line(f"    {proposal.confidence}: {proposal.field} {proposal.unit}: {proposal.reason_text}"))


def _on_one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
