"""How a city plans its collection: shipped values, changed by a file in the city's folder."""

from __future__ import annotations

import tomllib
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from city.errors import ConfigError
from city.inventory.collection import VehicleClass
from city.inventory.model import WasteKind
from city.inventory.windows import Window, parse_window
from dispatch.planning.problem import DAY_S, Pause

FILE_NAME: Final = "planning.toml"
"""The file of a city's folder with what differs."""
PRIZE_MIN_M: Final = 2_000.0
PRIZE_MAX_M: Final = 200_000.0
"""Metres of driving that a certain overflow is worth at the ends of the knob: a short detour, and any way in a city."""
DUE_PRIZE_M: Final = 1_000_000.0
"""Worth of a container that is due by its rhythm, at every position of the knob: more than any way in a city."""
_SHIPPED: Final = Path(__file__).parent / "policy.toml"

_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Minutes = Annotated[float, msgspec.Meta(ge=0, le=240)]
_Positive = Annotated[float, msgspec.Meta(gt=0, le=1_000)]


class PlanningPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How collection is planned; `policy.toml` describes the fields."""

    overflow_care: _Share
    shift: str
    break_window: str
    break_min: _Minutes
    truck_km: Annotated[float, msgspec.Meta(ge=0, le=1_000)]
    unknown_probability: _Share
    stop_min: _Minutes
    landfill_min: _Minutes
    density_kg_per_l: dict[WasteKind, _Positive]
    speed_kmh: dict[VehicleClass, _Positive]
    cost_per_km: dict[VehicleClass, _Positive]

    @property
    def shift_s(self) -> tuple[float, float]:
        """The city's shift in seconds after midnight."""
        return window_s(parse_window(self.shift))

    @property
    def pause(self) -> Pause | None:
        """The crews' break; None if it takes no time."""
        return Pause(*window_s(parse_window(self.break_window)), self.break_min * 60) if self.break_min else None

    @property
    def overflow_prize_m(self) -> float:
        """Metres of driving that a certain overflow is worth."""
        return PRIZE_MIN_M * float((PRIZE_MAX_M / PRIZE_MIN_M) ** self.overflow_care)


def load_policy(folder: Path | None = None) -> PlanningPolicy:
    """The shipped policy, with what the `planning.toml` of a city's folder changes in it.

    Raises:
        ConfigError: The file cannot be read, names an unknown field, or has a wrong value.
    """
    values: dict[str, Any] = tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))
    path = folder / FILE_NAME if folder else None
    if path and path.exists():
        for name, value in _read(path).items():
            is_table = isinstance(value, dict) and isinstance(values.get(name), dict)
            values[name] = {**values[name], **value} if is_table else value
    try:
        policy = msgspec.convert(values, PlanningPolicy)
        for text in (policy.shift, policy.break_window):
            parse_window(text)
    except (msgspec.ValidationError, ValueError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    return policy


def window_s(window: Window) -> tuple[float, float]:
    """A window in seconds after midnight; its end may lie on the next day."""
    start_s, end_s = _seconds(window.start), _seconds(window.end)
    return start_s, end_s if end_s > start_s else end_s + DAY_S


def _seconds(clock: time) -> float:
    return clock.hour * 3600.0 + clock.minute * 60.0


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
