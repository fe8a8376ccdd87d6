"""Reads device profiles: one file per model, which says what the keys of its messages mean.

Those in the folders of the formats come with the project; those in the `profiles/` of a city's folder win over one of
the same name. `extends` takes another profile and changes a part of it, such as the digital input of a truck's PTO.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from broker.contract.payloads import device_event_types, fields_of
from broker.contract.topics import KINDS, Kind
from city.inventory.fields import Problems, TomlTable, read_toml
from city.inventory.model import EventRule, FieldRule, Profile, Scalar, SensorGeometry
from city.inventory.units import UNITS, can_convert, field_unit, parse_unit

FORMATS: Final = Path(__file__).parents[2] / "ingest" / "decoding" / "formats"
"""Folders of the third-party formats. Their TOML files are data: the city reads them by path and imports no code."""
_MAX_MM: Final = 100_000.0
_LARGE: Final = 1e9
_INTERVAL_S: Final = (1.0, 604_800.0)
_OWN: Final = ("name", "extends", "matches")
"""Keys that a profile does not inherit from the one it extends."""


def builtin_profiles() -> list[Path]:
    """Files of the profiles that come with the project, by name."""
    return sorted(FORMATS.glob("*/profiles/*.toml"), key=lambda path: path.stem)


def read_profiles(folder: Path, problems: Problems) -> dict[str, Profile]:
    """The profiles of the project and those of a folder, which need not exist."""
    tables: dict[str, TomlTable] = {}
    for path in (*builtin_profiles(), *sorted(folder.glob("*.toml"))):
        table = read_toml(path, problems, name=path.relative_to(path.parent.parent).as_posix())
        table.require_id("file name", path.stem)
        tables[path.stem] = table
    return {name: _profile(name, _resolve_extends(table, tables)) for name, table in tables.items()}


def _resolve_extends(table: TomlTable, tables: Mapping[str, TomlTable], seen: tuple[str, ...] = ()) -> TomlTable:
    """Merge a table over the one it extends."""
    base = table.text("extends", "")
    if not base:
        return table
    if base not in tables or base in seen:
        table.note("extends", f"there is no profile {base!r}" if base not in tables else f"{base!r} extends itself")
        return table
    under = _resolve_extends(tables[base], tables, (*seen, base)).values()
    return table.with_values(_merge({key: value for key, value in under.items() if key not in _OWN}, table.values()))


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two profiles: fields and events one by one, everything else as a whole."""
    merged = {**under, **over}
    for section in ("fields", "events"):
        if isinstance(under.get(section), dict) and isinstance(over.get(section), dict):
            merged[section] = {**under[section], **over[section]}
    return merged


def _profile(name: str, table: TomlTable) -> Profile:
    table.text("extends", "")
    kind = table.choice("kind", KINDS)
    interval_s = table.optional_number("interval_s", *_INTERVAL_S)
    profile = Profile(
        id=name,
        kind=kind,
        fields=_fields(table.table("fields", {}), kind),
        events=_events(table.table("events", {}), kind),
        name=table.text("name", name),
        frames=table.text("frames", ""),
        time=table.texts("time"),
        fix_time=table.texts("fix_time"),
        matches=tuple(name.lower() for name in table.texts("matches")),
        adapters=table.texts("adapters"),
        geometry=_geometry(table.table("geometry", {})),
        interval_s=interval_s,
    )
    table.close()
    return profile


def _fields(rules: TomlTable, kind: Kind) -> dict[str, FieldRule]:
    known = fields_of(kind)
    for field in rules.names():
        if field not in known:
            rules.note(field, f"a {kind} has no such field; known: {', '.join(known)}")
    return {field: _field(field, rules.table(field)) for field in rules.names()}


def _field(field: str, table: TomlTable) -> FieldRule:
    paths = [_path(field, text, table) for text in _source(table)]
    rule = FieldRule(
        source=tuple(path for path, _ in paths),
        scale=table.number("scale", -_LARGE, _LARGE, 1.0),
        shift=table.number("shift", -_LARGE, _LARGE, 0.0),
        invalid=table.scalars("invalid"),
        absent=table.scalars("absent"),
        choices=_choices(table.table("choices", {})),
        unit=_unit(field, "unit", table.text("unit", ""), table),
        units=tuple(unit for _, unit in paths) if any(unit for _, unit in paths) else (),
        signed_bits=int(table.number("signed_bits", 0, 64, 0)),
        valid=table.texts("valid"),
        percent_of=table.choice("percent_of", ("filled", "empty")) if table.has("percent_of") else "filled",
    )
    table.close()
    return rule


def _choices(table: TomlTable) -> dict[str, Scalar]:
    return {text: table.scalar(text) for text in table.names()}


def _source(table: TomlTable) -> tuple[str, ...]:
    paths = table.texts("source")
    if not paths:
        table.note("source", "is missing" if not table.has("source") else "names no path")
    return paths


def _path(field: str, text: str, table: TomlTable) -> tuple[str, str]:
    """A path and the unit in brackets behind it: `proxx [cm]`."""
    path, bracket, unit = text.partition(" [")
    return path, _unit(field, "source", unit.removesuffix("]"), table) if bracket else ""


def _unit(field: str, where: str, text: str, table: TomlTable) -> str:
    """A unit, checked against that of the field."""
    unit = parse_unit(text)
    wanted = field_unit(field)
    if text and not unit:
        table.note(where, f"{text!r} is no unit; known: {', '.join(UNITS)}")
    elif unit and not can_convert(unit, wanted):
        table.note(where, f"{text!r} cannot become {wanted or 'a field without a unit'!r}")
    return unit


def _events(rules: TomlTable, kind: Kind) -> dict[str, EventRule]:
    for name in rules.names():
        if name not in (known := device_event_types(kind)):
            rules.note(name, f"a {kind} has no such event; known: {', '.join(known)}")
    return {name: _event(rules.table(name)) for name in rules.names()}


def _event(table: TomlTable) -> EventRule:
    rule = EventRule(source=_source(table), when=table.scalars("when"), noted=table.flag("noted"))
    table.close()
    return rule


def _geometry(table: TomlTable) -> SensorGeometry:
    standard = SensorGeometry()
    geometry = SensorGeometry(
        dead_zone_mm=table.number("dead_zone_mm", 0, _MAX_MM, standard.dead_zone_mm),
        range_mm=table.number("range_mm", 0, _MAX_MM, standard.range_mm),
    )
    if geometry.range_mm <= geometry.dead_zone_mm:
        table.note("range_mm", f"{geometry.range_mm:g} is not above dead_zone_mm = {geometry.dead_zone_mm:g}")
    table.close()
    return geometry


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
