"""A device's password changes at the running embedded broker; tests/integration/test_mosquitto.py has Mosquitto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.health import read_health
from broker.refusals import read_refusals
from city.runtime.password_changes import PasswordChanges
from tests.support.brokers import RunningBroker, free_port
from tests.support.clients import Connected, answer_to
from tests.support.waiting import wait_for

DEVICE, OTHER = "bin-0001", "bin-0002"
DAY, NONE = timedelta(days=1), timedelta(0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    made = RunningBroker("embedded", free_port(), tmp_path)
    made.start()
    yield made
    made.kill()
    print(made.log()[-3000:])


def renew(broker: RunningBroker, overlap: timedelta, user: str = DEVICE) -> str:
    """A new password, as an operator makes it in another process."""
    derived = broker.secrets.password(user)
    password, _ = PasswordChanges(broker.folder).renew(user, derived, overlap, datetime.now(UTC))
    return password


def is_accepted(broker: RunningBroker, password: str, user: str = DEVICE) -> bool:
    return answer_to(broker, user, password, user) == 0


def test_old_and_new_come_in_during_the_overlap_and_a_connection_ends_with_its_password(broker: RunningBroker) -> None:
    old = broker.secrets.password(DEVICE)
    with Connected(broker, DEVICE, old) as device, Connected(broker, OTHER) as bystander:
        new = renew(broker, DAY)
        assert not is_accepted(broker, new, OTHER)
        assert device.bus.connects == 1, "the renewal itself ends nothing"
        assert is_accepted(broker, old)
        assert is_accepted(broker, new)
        newest = renew(broker, timedelta(seconds=2))
        wait_for(lambda: "broker.password_ended" in broker.log(), "the end of the overlap")
        wait_for(lambda: not device.bus.connected.is_set(), "the end of its connection")
        assert [is_accepted(broker, password) for password in (old, new, newest)] == [False, False, True]
        with Connected(broker, DEVICE, newest):
            assert bystander.bus.connects == 1


def test_a_renewal_without_overlap_and_a_revocation_end_the_connection(broker: RunningBroker) -> None:
    old = broker.secrets.password(DEVICE)
    with Connected(broker, DEVICE, old) as device:
        new = renew(broker, NONE)
        wait_for(lambda: not device.bus.connected.is_set(), "the end of its connection")
        assert not is_accepted(broker, old)
    with Connected(broker, DEVICE, new) as device:
        PasswordChanges(broker.folder).revoke(DEVICE, datetime.now(UTC))
        wait_for(lambda: not device.bus.connected.is_set(), "the end of its connection")
        assert not any(is_accepted(broker, password) for password in (old, new, ""))
    assert is_accepted(broker, broker.secrets.password(OTHER), OTHER)


def test_a_service_has_a_changed_password_too_and_ingest_still_reads_the_stream(broker: RunningBroker) -> None:
    filters = ("kota/v1/kupang/+/+/telemetry",)
    with (
        Connected(broker, "ingest", filters=filters, stream=True) as reader,
        Connected(broker, "ingest", filters=filters) as subscriber,
        Connected(broker, DEVICE) as device,
    ):
        new = renew(broker, NONE, "ingest")
        wait_for(lambda: not subscriber.bus.connected.is_set(), "the end of its connection")
        assert not is_accepted(broker, broker.secrets.password("ingest"), "ingest")
        assert is_accepted(broker, new, "ingest")
        device.bus.publish("kota/v1/kupang/bin/bin-0001/telemetry", b"{}")
        wait_for(lambda: reader.received, "the message")
        assert reader.bus.connects == 1


@pytest.mark.parametrize("user", ["stream-reader", "ingest"])
def test_the_reader_of_the_stream_is_no_account_of_the_network(broker: RunningBroker, user: str) -> None:
    assert answer_to(broker, user, broker.secrets.password("stream-reader"), user) != 0


def test_a_file_that_is_damaged_lets_nobody_in_and_costs_no_other_device(tmp_path: Path) -> None:
    broker = RunningBroker("embedded", free_port(), tmp_path)
    new = renew(broker, DAY)
    (tmp_path / "passwords" / f"{DEVICE}.json").write_text('{"user"')
    broker.start()
    try:
        assert not any(is_accepted(broker, password) for password in (new, broker.secrets.password(DEVICE), ""))
        assert is_accepted(broker, broker.secrets.password(OTHER), OTHER)
        assert broker.log().count("passwords.unreadable") == 1
        repaired = renew(broker, DAY)
        assert is_accepted(broker, repaired)
    finally:
        print(broker.log()[-3000:])
        broker.kill()


def test_a_file_that_is_damaged_while_the_broker_runs_counts_as_it_was(broker: RunningBroker) -> None:
    new = renew(broker, NONE)
    assert is_accepted(broker, new)
    (broker.folder / "passwords" / f"{DEVICE}.json").write_text("")
    wait_for(lambda: "passwords.unreadable" in broker.log(), "the log")
    assert not is_accepted(broker, broker.secrets.password(DEVICE))
    assert is_accepted(broker, new)


def test_refused_sign_ins_are_counted_logged_and_kept_without_a_password(broker: RunningBroker) -> None:
    for password in ("wrong-1", "wrong-2"):
        assert not is_accepted(broker, password)
    assert not is_accepted(broker, "wrong-3", "a-name-that-is-nobodys")
    wait_for(lambda: len(read_refusals(broker.folder)) >= 2, "the file")
    refusals = {(refusal.user, refusal.reason): refusal for refusal in read_refusals(broker.folder)}
    assert refusals.keys() == {(DEVICE, "wrong_password"), ("a-name-that-…", "unknown_account")}
    assert refusals[DEVICE, "wrong_password"].address == "127.0.0.1"
    wait_for(lambda: (health := read_health(broker.folder)) and health.refused_total == 3, "the count")
    kept = (broker.folder / "broker" / "refused.jsonl").read_text() + broker.log()
    assert "broker.refused" in kept
    assert "wrong-" not in kept
