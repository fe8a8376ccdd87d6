"""Distances on the ground."""

from __future__ import annotations

import pytest

from city.inventory.geo import distance_km


def test_distance() -> None:
    assert distance_km(-10.17, 123.6, -10.16, 123.6) == pytest.approx(1.112, abs=0.001)
    assert distance_km(-10.17, 123.6, -10.17, 123.6) == 0
    assert distance_km(0, 179.9, 0, -179.9) == pytest.approx(22.24, abs=0.01)
