"""Brokers for integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import RunningBroker, free_port


@pytest.fixture(params=["embedded", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningBroker]:
    """A running broker of each kind, with its data folder below the test's."""
    folder = tmp_path / "city"
    folder.mkdir()
    made = RunningBroker(request.param, free_port(), folder)
    made.start()
    yield made
    made.kill()
    print(made.log()[-2000:])
