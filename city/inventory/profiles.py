"""Reads device profiles: one file per model, which says what the keys of its messages mean.

Those in the folders of the formats come with the project; those in the `profiles/` of a city's folder win over one of
the same name. `extends` takes another profile and changes a part of it, such as the digital input of a truck's PTO.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from broker.contract.payloads import device_event_types, fields_of
from broker.contract.topics import KINDS, Kind
from city.inventory.field_types import check_id, split_path
from city.inventory.model import EventRule, FieldRule, Profile, SensorGeometry
from city.inventory.tables import Problems, TomlTable, parse_toml, read_toml
from city.inventory.units import parse_unit

FORMATS: Final = Path(__file__).parents[2] / "ingest" / "decoding" / "formats"
"""Folders of the third-party formats. Their TOML files are data: the city reads them by path and imports no code."""
_OWN: Final = ("name", "extends", "matches")
"""Keys that a profile does not inherit from the one it extends."""


def builtin_profiles() -> list[Path]:
    """Files of the profiles that come with the project, by name."""
    return sorted(FORMATS.glob("*/profiles/*.toml"), key=lambda path: path.stem)


def read_profiles(folder: Path, problems: Problems, codecs: Collection[str] = ()) -> dict[str, Profile | None]:
    """The profiles of the project and those of a folder, which need not exist; None for one with a problem.

    Args:
        folder: Has a file for each profile.
        problems: Collects problems.
        codecs: Names of the city's codecs.
    """
    tables: dict[str, TomlTable] = {}
    for path in (*builtin_profiles(), *sorted(folder.glob("*.toml"))):
        table = read_toml(path, problems, name=path.relative_to(path.parent.parent).as_posix())
        try:
            check_id(path.stem)
        except ValueError as exc:
            table.note("file name", str(exc))
        tables[path.stem] = table
    return {name: _profile(name, _resolve_extends(table, tables), codecs) for name, table in tables.items()}


def parse_profile(text: str, name: str, where: str, problems: Problems, codecs: Collection[str] = ()) -> Profile | None:
    """The profile in a text of TOML, which extends no other; None for one with a problem.

    Args:
        text: The TOML.
        name: The profile's id.
        where: The file's name in messages.
        problems: Collects problems.
        codecs: Names of the city's codecs.
    """
    before = len(problems)
    table = parse_toml(text, where, problems)
    if "extends" in table.values:
        table.note("extends", "is for the city's own folder; a saved profile has all of its fields itself")
    profile = _profile(name, table, codecs) if len(problems) == before else None
    return profile if len(problems) == before else None


def _resolve_extends(table: TomlTable, tables: Mapping[str, TomlTable], seen: tuple[str, ...] = ()) -> TomlTable:
    """Merge a table over the one it extends."""
    base = table.values.get("extends", "")
    if not isinstance(base, str):
        table.note("extends", f"{base!r} is not a text")
        return table
    if not base:
        return table
    if base not in tables or base in seen:
        table.note("extends", f"there is no profile {base!r}" if base not in tables else f"{base!r} extends itself")
        return table
    under = _resolve_extends(tables[base], tables, (*seen, base)).values
    return table.with_values(_merge({key: value for key, value in under.items() if key not in _OWN}, table.values))


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two profiles: fields and events one by one, everything else as a whole."""
    merged = {**under, **over}
    for section in ("fields", "events"):
        if isinstance(under.get(section), dict) and isinstance(over.get(section), dict):
            merged[section] = {**under[section], **over[section]}
    return merged


def _profile(name: str, table: TomlTable, codecs: Collection[str]) -> Profile | None:
    kind = next((kind for kind in KINDS if kind == table.values.get("kind")), None)
    geometry = table.table("geometry")
    profile = table.read(
        Profile,
        also=("extends", "fields", "events", "geometry"),
        defaults={"name": name},
        id=name,
        fields=_fields(table.table("fields"), kind),
        events=_events(table.table("events"), kind),
        geometry=geometry.read(SensorGeometry) or SensorGeometry(),
    )
    if profile is None:
        return None
    if profile.codec and profile.codec not in codecs:
        table.note("codec", f"there is no codec {profile.codec!r}; known: {', '.join(sorted(codecs)) or 'none'}")
    return replace(profile, matches=tuple(map(str.lower, profile.matches)))


def _fields(rules: TomlTable, kind: Kind | None) -> dict[str, FieldRule]:
    if kind:
        _check_names(rules, f"a {kind} has no such field", fields_of(kind))
    read = {field: rules.table(field).read(FieldRule, {"field": field}, units=()) for field in rules.values}
    return {field: _with_units(rule) for field, rule in read.items() if rule}


def _with_units(rule: FieldRule) -> FieldRule:
    """Part each path from the unit in brackets behind it: `proxx [cm]`."""
    paths = [split_path(text) for text in rule.source]
    units = tuple(parse_unit(unit) for _, unit in paths)
    return replace(rule, source=tuple(path for path, _ in paths), units=units if any(units) else ())


def _events(rules: TomlTable, kind: Kind | None) -> dict[str, EventRule]:
    if kind:
        _check_names(rules, f"a {kind} has no such event", device_event_types(kind))
    read = {name: rules.table(name).read(EventRule) for name in rules.values}
    return {name: rule for name, rule in read.items() if rule}


def _check_names(rules: TomlTable, message: str, known: Iterable[str]) -> None:
    names = list(known)
    for name in rules.values:
        if name not in names:
            rules.note(name, f"{message}; known: {', '.join(names)}")


def suggest(profiles: Iterable[Profile], adapter: str, model: str, kind: Kind | None = None) -> list[Profile]:
    """Profiles that a device of an adapter may have: those that match its model first, then those of the adapter."""
    wanted = model.strip().lower()
    fitting = [profile for profile in profiles if adapter in profile.adapters and kind in (None, profile.kind)]
    return sorted(fitting, key=lambda profile: (not _matches(profile, wanted), profile.id))


def is_match(profile: Profile, model: str) -> bool:
    """Whether a profile matches the name of a model at its network server."""
    return _matches(profile, model.strip().lower())


def _matches(profile: Profile, wanted: str) -> bool:
    """Whether a server's name of a model matches: `milesight-iot/em310-udl`, `EM310-UDL`, `Bin sensors EM310-UDL`."""
    flat = wanted.replace("_", "-").replace(" ", "-")
    return bool(flat) and any(
        name == flat or name in flat.split("/") or f"-{name}" in f"-{flat}" for name in profile.matches
    )
