"""The page of agents in the field names every sensor, every option and every secret there is."""

from __future__ import annotations

import importlib
import re

import pytest

from city.runtime.settings import Settings
from edge.sensors.registry import SENSORS
from tests.support.brokers import ROOT

PAGE = (ROOT / "docs" / "edge.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_and_its_options_are_on_the_page(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    module = importlib.import_module(f"edge.sensors.{SENSORS[name].module}")
    options = [value for attribute, value in vars(module).items() if attribute.endswith("Options")]
    assert len(options) == (SENSORS[name].source != "-")
    for option in options[0].__struct_fields__ if options else ():
        assert re.search(rf"[`#, ]{option}[=`]", PAGE), option


def test_every_secret_of_a_sensor_is_on_the_page() -> None:
    names = [name for name in Settings.model_fields if name.startswith(("sensor_", "snmp_"))]
    assert names
    assert all(f"`KOTA_{name.upper()}`" in PAGE for name in names)
