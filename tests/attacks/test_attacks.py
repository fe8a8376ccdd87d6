"""The known holes as attempts, on both brokers and on the HTTP server: every one must be held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from city.runtime.ports import free_port
from tests.attacks.bus import BUS, FLOODING_GATEWAY
from tests.attacks.target import Attempt, Target
from tests.attacks.web import WEB
from tests.support.asking import answer_of
from tests.support.brokers import BrokerName, RunningBroker
from tests.support.services import Service, running


@pytest.fixture(scope="module")
def city(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A city that is no demo, with its bus, ingest and API, and nobody else."""
    folder: Path = tmp_path_factory.mktemp("city")
    name: BrokerName = request.param
    broker = RunningBroker(name, free_port("127.0.0.1"), folder)
    broker.gateway(FLOODING_GATEWAY, "unifi")  # Mosquitto reads its accounts at the start
    broker.start()
    port = free_port("127.0.0.1")
    settings = {"mqtt_port": broker.port, "mqtt_client": broker.reader, "port": port, "demo": False}
    with running(Service(["ingest", "api"], folder, **settings)) as server:
        answer_of(f"http://127.0.0.1:{port}/readyz")
        yield Target(folder, "127.0.0.1", broker.port, port, closes_silent=name == "embedded")
        print(server.log()[-4000:])
    broker.kill()
    print(broker.log()[-4000:])


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("attacks")
@pytest.mark.parametrize(
    ("city", "attempt"),
    [*(("embedded", attempt) for attempt in (*BUS, *WEB)), *(("mosquitto", attempt) for attempt in BUS)],
    indirect=["city"],
    ids=str,
)
def test_it_holds(city: Target, attempt: Attempt) -> None:
    outcome = attempt.run(city)
    assert outcome.held, outcome.said
