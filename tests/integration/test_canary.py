"""A broker that holds its connections and passes nothing on is noticed, said, and left for a new connection."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from edge.outbox import Outbox
from tests.integration.test_delivery import agent_on, ingest_on, measured
from tests.support.brokers import RunningBroker
from tests.support.services import running
from tests.support.waiting import wait_for


def health(broker: RunningBroker) -> dict[str, object]:
    found: dict[str, object] = json.loads((broker.folder / "ingest" / "health.json").read_bytes())
    return found


@pytest.mark.timeout(240)
def test_a_frozen_broker_is_an_alarm_and_ingest_hears_again_afterwards(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    with running(ingest_on(broker)) as ingest, agent_on(broker, outbox, {"bin-0001": "bin"}) as agent:
        agent.record([measured("bin-0001")])
        wait_for(lambda: outbox.pending() == 0, "the first receipt")
        wait_for(lambda: health(broker)["connected"], "ingest to say that it hears")
        broker.signal(signal.SIGSTOP)
        wait_for(lambda: not health(broker)["connected"], "ingest to notice")
        broker.signal(signal.SIGCONT)
        agent.record([measured("bin-0001")])
        wait_for(lambda: outbox.pending() == 0, "the receipt after the freeze")
        wait_for(lambda: health(broker)["connected"], "ingest to say that it hears")
        assert not health(broker)["deaf"]
        assert ingest.stop() == 0, ingest.log()
