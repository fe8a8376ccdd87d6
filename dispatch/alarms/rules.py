"""The rules of alarms: data of the project, which a city's folder may change."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from city.errors import ConfigError
from people.rights import Role

AlarmKind = Literal[
    "fire",
    "panic",
    "breakdown",
    "overflowing",
    "tilt",
    "blind_sensor",
    "device_silent",
    "hotspot_down",
    "hotspot_crowded",
    "hotspot_slow",
    "hotspot_misuse",
    "camera_blind",
    "dumping_case",
    "site_down",
    "ingest_behind",
    "bad_messages",
    "notification_failing",
    "overflow_expected",
    "stop_missed",
    "stop_contradicted",
    "truck_silent_on_tour",
    "tour_late",
]
Priority = Literal["critical", "high", "medium", "low"]

KINDS: Final[tuple[AlarmKind, ...]] = get_args(AlarmKind)
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""The worst first."""
FILE_NAME: Final = "alarms.toml"
"""The file of a city's folder with the kinds that differ."""
_SHIPPED: Final = Path(__file__).parent / "rules.toml"
Seconds = Annotated[float, msgspec.Meta(ge=0, le=7 * 86_400)]


class AlarmRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of alarm is raised and cleared; `rules.toml` describes the fields."""

    priority: Priority
    delay_on_s: Seconds = 0.0
    delay_off_s: Seconds = 0.0
    hold: dict[str, float] = {}
    acknowledge: bool = False
    suppressed_by: tuple[AlarmKind, ...] = ()
    enabled: bool = True
    notify: tuple[Role, ...] = ("dispatcher",)
    remind_after_s: Seconds = 0.0
    reminders: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    escalate_after_s: Seconds = 0.0
    escalate_to: Role | None = "supervisor"


Rules = Mapping[AlarmKind, AlarmRule]


def load_rules(folder: Path | None = None) -> Rules:
    """The shipped rules, with what the `alarms.toml` of a city's folder changes in them.

    Raises:
        ConfigError: The file cannot be read, names an unknown kind or field, or has a wrong value.
    """
    tables: dict[str, Any] = tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))
    path = folder / FILE_NAME if folder else None
    if path and path.exists():
        for kind, changes in _read(path).items():
            if kind not in KINDS:
                raise ConfigError(f"{path}: [{kind}] is no kind of alarm; the kinds are {', '.join(KINDS)}")
            if not isinstance(changes, dict):
                raise ConfigError(f"{path}: {kind} is a table, such as [{kind}]")
            tables[kind] = {**tables[kind], **changes}
    rules: dict[AlarmKind, AlarmRule] = {}
    for kind in KINDS:
        try:
            rules[kind] = msgspec.convert(tables[kind], AlarmRule)
        except msgspec.ValidationError as exc:
            raise ConfigError(f"{path}: [{kind}]: {exc}") from exc
    return rules


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
