"""Reads the models of containers: their geometry, from which a distance becomes a fill level."""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

from city.inventory.fields import Problems, TomlTable, read_toml
from city.inventory.model import BinMaterial, BinModel

_MAX_MM: Final = 20_000.0
_MAX_L: Final = 100_000.0


def read_models(path: Path, problems: Problems) -> dict[str, BinModel]:
    """Every table of `models.toml`."""
    return {name: _model(name, table) for name, table in read_toml(path, problems).tables()}


def _model(name: str, table: TomlTable) -> BinModel:
    materials: tuple[BinMaterial, ...] = get_args(BinMaterial)
    model = BinModel(
        id=name,
        material=table.choice("material", materials),
        capacity_l=table.number("capacity_l", 1, _MAX_L),
        height_mm=table.number("height_mm", 1, _MAX_MM),
        offset_mm=table.number("offset_mm", 0, _MAX_MM, 0.0),
        dead_zone_mm=table.number("dead_zone_mm", 0, _MAX_MM, 0.0),
        invalid_mm=table.numbers("invalid_mm"),
    )
    taken_mm = model.offset_mm + model.dead_zone_mm
    if 0 < model.height_mm <= taken_mm:
        table.note("height_mm", f"{model.height_mm:g} is not above offset_mm + dead_zone_mm = {taken_mm:g}")
    table.close()
    return model
