"""Modules that imports pass over."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from city.optional_imports import hide_modules


def test_a_hidden_module_is_refused_inside_and_loaded_afterwards() -> None:
    sys.modules.pop("colorsys", None)
    with hide_modules("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_a_loaded_module_stays_available() -> None:
    with hide_modules("sys"):
        assert sys.modules["sys"] is sys


def test_hidden_names_come_back_after_an_error() -> None:
    sys.modules.pop("colorsys", None)
    with pytest.raises(ValueError, match="of the block"), hide_modules("colorsys"):
        raise ValueError("of the block")
    assert "colorsys" not in sys.modules


@pytest.mark.parametrize("module", ["api.service", "broker.nats.library"])
def test_a_service_loads_no_http_client_that_it_does_not_use(module: str) -> None:
    asked = f"import sys, {module}; print([name for name in ('aiohttp', 'requests') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
