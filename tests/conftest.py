"""InfluxDB for every test that wants one: a server of each version a session, a database of its own a test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.influx import SERVERS, RunningInflux, running_influx

# No test asserts on seconds: an example may take as long as a busy machine needs.
settings.register_profile("kota", deadline=None)
# No city that a test starts asks the internet for a model.
os.environ["KOTA_VISION_MODEL_FETCH"] = "false"
settings.load_profile("kota")


@pytest.fixture(scope="session")
def influx_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInflux]:
    """InfluxDB 1.6.7."""
    with running_influx(tmp_path_factory.mktemp("influx"), "influx-1") as server:
        yield server


@pytest.fixture(scope="session")
def influx_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInflux]:
    """InfluxDB 2.7.12."""
    with running_influx(tmp_path_factory.mktemp("influx"), "influx-2") as server:
        yield server


@pytest.fixture(params=list(SERVERS))
def influx(request: pytest.FixtureRequest) -> RunningInflux:
    """Each of both."""
    server: RunningInflux = request.getfixturevalue(request.param.replace("-", "_"))
    return server
