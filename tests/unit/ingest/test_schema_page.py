"""The page on InfluxDB names what is stored there, all of it."""

from __future__ import annotations

from pathlib import Path

from ingest.store.schema import AREA_KINDS, DERIVED, ROLLUP_PARTS

PAGE = (Path(__file__).parents[3] / "docs" / "influx.md").read_text(encoding="utf-8")


def test_every_measurement_tag_and_field_that_is_derived_is_on_the_page() -> None:
    for measurement, (_, tags, fields) in DERIVED.items():
        named = [measurement, *fields, *(tag for tag in tags if tag not in ("site", "waste_kind", "device"))]
        assert [name for name in named if f"`{name}`" not in PAGE] == [], measurement


def test_rollups_are_described() -> None:
    assert all(f"`f_{part}`" in PAGE for part in ROLLUP_PARTS)
    assert all(f"`{kind}_area`" in PAGE for kind in AREA_KINDS)
