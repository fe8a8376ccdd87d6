"""The state of a city's model as bytes, and back: what a process keeps from one start to the next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo
from typing import Final

import msgspec
import numpy as np

from city.errors import PayloadError
from dispatch.forecast.calendar import Calendar
from dispatch.forecast.city_model import CityModel, ContainerState
from dispatch.forecast.places import Container, places_of
from dispatch.forecast.residuals import HORIZONS_H, SHARES, Errors
from dispatch.forecast.shape import Rates

FORMAT: Final = 2


class _Array(msgspec.Struct, frozen=True):
    shape: tuple[int, ...]
    values: bytes


class _Saved(msgspec.Struct, frozen=True):
    format: int
    containers: tuple[Container, ...]
    market_days: tuple[date, ...]
    rain_mm: dict[date, float]
    rates: dict[str, _Array]
    errors: _Array
    factors: _Array
    states: list[ContainerState]


def to_bytes(model: CityModel) -> bytes:
    """The state of a model."""
    rates = {name: _pack(array) for name, array in msgspec.structs.asdict(model.rates).items()}
    saved = _Saved(
        FORMAT,
        model.places.containers,
        tuple(sorted(model.calendar.market_days)),
        dict(model.calendar.rain_mm),
        rates,
        _pack(model.errors.quantiles),
        _pack(model.errors.factors),
        model.states,
    )
    return msgspec.msgpack.encode(saved)


def from_bytes(state: bytes, zone: tzinfo) -> CityModel:
    """The model of a state.

    Raises:
        PayloadError: The bytes are no state, or that of another version.
    """
    try:
        saved = msgspec.msgpack.decode(state, type=_Saved)
    except msgspec.DecodeError as exc:
        raise PayloadError(f"no state of a forecast: {exc}") from exc
    places = places_of(saved.containers)
    if saved.format != FORMAT or len(saved.states) != len(places.containers):
        raise PayloadError("the state of a forecast is of another version, or damaged")
    rates = Rates(**_unpack(saved.rates))
    errors = Errors(**_unpack({"quantiles": saved.errors, "factors": saved.factors}))
    shapes = (len(places.streams), len(HORIZONS_H), len(SHARES)), (len(places.containers),)
    if (errors.quantiles.shape, errors.factors.shape) != shapes:
        raise PayloadError("the state of a forecast is of another version, or damaged")
    calendar = Calendar(frozenset(saved.market_days), saved.rain_mm)
    return CityModel(zone, calendar, places, rates, errors, saved.states)


def _pack(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> _Array:
    return _Array(array.shape, array.astype("<f8").tobytes())


def _unpack(arrays: Mapping[str, _Array]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    try:
        return {
            name: np.frombuffer(array.values, "<f8").reshape(array.shape).astype(np.float64)
            for name, array in arrays.items()
        }
    except ValueError as exc:
        raise PayloadError(f"the state of a forecast is damaged: {exc}") from exc
