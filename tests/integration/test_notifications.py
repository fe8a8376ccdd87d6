"""Notifications through real services: a mail server, a webhook, processes that are killed, and what is logged."""

from __future__ import annotations

import json
import os
import random
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from city.cli.main import main
from city.inventory.loader import builtin_city, load_city
from city.runtime.certificates import CA, CERTIFICATE, KEY, ensure_certificates
from city.runtime.secrets import Secrets
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from dispatch.alarms.service import Alarms
from dispatch.notifications.deliveries import LEASE, Deliveries
from dispatch.notifications.recipients import FILE_NAME
from dispatch.notifications.sender_process import SenderProcess
from dispatch.notifications.wire import SendRequest, SendResult
from people.service import People, open_people
from tests.support import postgres
from tests.support.brokers import ROOT, free_port
from tests.support.mail_server import MailServer, running_mail_server
from tests.support.notifying import PLACES
from tests.support.require import require_nothing_missing
from tests.support.waiting import wait_for
from tests.support.webhook_server import WebhookServer, running_webhook

CITY = load_city(builtin_city("kupang"))
RULES = load_rules()
SECRET = "kata-sandi-rahasia"  # noqa: S105 - of addresses of servers that live for a test
AHEAD_S = LEASE.total_seconds() + 1
MAY_COME_TWICE = {"while it is sent", "between sending and its record"}


@pytest.fixture
def webhook() -> Iterator[WebhookServer]:
    with running_webhook() as server:
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def database_server() -> Iterator[str]:
    require_nothing_missing(postgres.missing())
    with postgres.running_postgres(free_port()) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    address: str = request.getfixturevalue("database_server")
    postgres.make_empty(address)
    return address


class Alarmed:
    """A city with alarms, in the test's own process; others send."""

    def __init__(self, data: Path, url: str) -> None:
        self.data, self.url = data, url
        self.people: People = open_people(data, url, Secrets.make(data))
        self.people.open()
        self.alarms = Alarms(self.people.database, self.people.audit)
        self.deliveries = Deliveries(self.people.database, lambda: datetime.now(UTC))

    def recipients(self, **urls: str) -> None:
        tables = [
            f'[{name}]\nroles = "dispatcher"\nlanguage = "en"\ndigest_above = 100\nurl = "{address}"\n'
            for name, address in urls.items()
        ]
        path = self.data / FILE_NAME
        path.write_text("\n".join(tables))
        path.chmod(0o600)

    def happen(self, *numbers: int) -> None:
        conditions = [AlarmCondition("fire", f"bin-{number:04}", "bin", "", "Oesapa") for number in numbers]
        self.alarms.apply(RULES, AlarmChanges(tuple(conditions)))

    def states(self) -> list[str]:
        return [row.state for row in self.deliveries.find(limit=500)]


@pytest.fixture
def city(tmp_path: Path, url: str) -> Iterator[Alarmed]:
    made = Alarmed(tmp_path, url)
    yield made
    made.people.close()


@contextmanager
def notifying(city: Alarmed, *place: str, ahead_s: float = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that sends."""
    command = [sys.executable, "-m", "tests.support.notifying", str(city.data), city.url, str(ahead_s), *place]
    with (city.data / "notifying.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def log_of(city: Alarmed) -> str:
    return (city.data / "notifying.log").read_text()


@pytest.mark.parametrize("place", PLACES)
def test_a_kill_at_any_place_forgets_nothing_and_repeats_under_the_same_key_only(
    city: Alarmed, webhook: WebhookServer, place: str
) -> None:
    city.recipients(dinas=webhook.url())
    city.happen(1)
    with notifying(city, place) as process:
        wait_for(lambda: city.states() == ["sent"], f"the first message\n{log_of(city)}")
        city.happen(2, 3)
        wait_for(lambda: process.poll() is not None, f"the kill\n{log_of(city)}")
    assert process.returncode == -signal.SIGKILL, log_of(city)
    with notifying(city, ahead_s=AHEAD_S):
        wait_for(lambda: city.states() == ["sent"] * 3, f"all to be sent\n{log_of(city)}")
    times = webhook.times()
    assert len(times) == 3
    assert sum(times.values()) <= (4 if place in MAY_COME_TWICE else 3)
    assert {message.title.partition(",")[0] for message in webhook.posted} == {
        f"[CRITICAL] Fire: bin-{number:04}" for number in (1, 2, 3)
    }
    assert SECRET not in log_of(city)


def test_kills_at_any_moment_of_two_processes_forget_nothing(city: Alarmed, webhook: WebhookServer) -> None:
    dice = random.Random(7)
    city.recipients(dinas=webhook.url(), lain=webhook.url("other"))
    for round_ in range(3):
        city.happen(*range(round_ * 2 + 1, round_ * 2 + 3))
        with notifying(city, ahead_s=AHEAD_S * round_) as one, notifying(city, ahead_s=AHEAD_S * round_) as two:
            seen = len(webhook.posted)
            until = seen + dice.randint(1, 3)
            wait_for(lambda until=until: len(webhook.posted) >= until, f"messages\n{log_of(city)}")  # type: ignore[misc]
            one.kill()
            two.kill()
    with notifying(city, ahead_s=AHEAD_S * 3):
        wait_for(lambda: city.states() == ["sent"] * 12, f"all to be sent\n{log_of(city)}")
    told = {(message.path, message.title.partition(",")[0]) for message in webhook.posted}
    assert len(told) == 12
    assert len(webhook.times()) == 12, "what came twice came under its key"


def test_two_processes_at_once_send_nothing_twice(city: Alarmed, webhook: WebhookServer) -> None:
    city.recipients(dinas=webhook.url(), lain=webhook.url("other"))
    with notifying(city), notifying(city):
        for number in range(1, 9):
            city.happen(number)
        wait_for(lambda: city.states() == ["sent"] * 16, f"all to be sent\n{log_of(city)}")
    assert sorted(webhook.times().values()) == [1] * 16


def test_a_sender_that_is_killed_is_no_message_lost(tmp_path: Path, webhook: WebhookServer) -> None:
    city = Alarmed(tmp_path, "")
    city.recipients(dinas=webhook.url())
    webhook.holds.set()
    city.happen(1)
    with notifying(city) as process:
        wait_for(lambda: webhook.posted, f"the message\n{log_of(city)}")
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        webhook.holds.clear()
        webhook.released.set()
        wait_for(lambda: city.states() == ["failed"], f"the failure\n{log_of(city)}")
        wait_for(lambda: city.states() == ["sent"], f"it to be sent again\n{log_of(city)}")
    assert list(webhook.times().values()) == [2]
    assert "ended" in city.deliveries.find()[0].reason
    city.people.close()


def test_a_service_that_hangs_keeps_no_other_one_back(tmp_path: Path, webhook: WebhookServer) -> None:
    city = Alarmed(tmp_path, "")
    with running_webhook() as hanging:
        hanging.holds.set()
        city.recipients(dinas=webhook.url(), macet=hanging.url())
        with notifying(city):
            city.happen(1)
            wait_for(lambda: hanging.posted, f"the message that hangs\n{log_of(city)}")
            for number in (2, 3, 4):
                city.happen(number)
            wait_for(lambda: len(webhook.posted) == 4, f"those that do not\n{log_of(city)}")
            wait_for(lambda: "failed" in city.states(), f"the deadline\n{log_of(city)}")
        assert "timeout" in {row.reason for row in city.deliveries.find(("failed",))}
    city.people.close()


def test_recipients_that_become_wrong_stay_as_they_were(tmp_path: Path, webhook: WebhookServer) -> None:
    city = Alarmed(tmp_path, "")
    city.recipients(dinas=webhook.url())
    with notifying(city):
        city.happen(1)
        wait_for(lambda: len(webhook.posted) == 1, f"the first\n{log_of(city)}")
        (tmp_path / FILE_NAME).write_text(f'[dinas]\nurl = "{webhook.url()}"\n')
        wait_for(lambda: "notifications.file_wrong" in log_of(city), "the problem in the log")
        city.happen(2)
        wait_for(lambda: len(webhook.posted) == 2, f"the second\n{log_of(city)}")
    assert SECRET not in log_of(city)
    city.people.close()


# One process that sends


def send(url: str, **fields: Any) -> SendResult:
    return SenderProcess(
        SendRequest(url, "[CRITICAL] Fire", "Fire\nWhere: Oesapa\nhttps://k/alarm/1", "k" * 32, **fields)
    ).wait()


def test_a_mail_has_its_key_as_message_id(mail_server: MailServer) -> None:
    for _ in range(2):
        assert send(mail_server.url).sent
    first, second = mail_server.mails
    assert first["Message-ID"] == second["Message-ID"] == f"<{'k' * 32}@127.0.0.1>"
    assert first["X-Message-Key"] == "k" * 32
    assert first["Subject"] == "[CRITICAL] Fire"
    assert first.get_content_type() == "text/plain"
    assert first.get_content().splitlines()[:3] == ["Fire", "Where: Oesapa", "https://k/alarm/1"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("550 5.7.1 no", SendResult("refused", 550)), ("451 4.3.0 later", SendResult("busy", 451))],
)
def test_a_mail_that_is_refused(mail_server: MailServer, answer: str, reason: SendResult) -> None:
    mail_server.refusal = answer
    assert send(mail_server.url) == reason


def test_a_mail_server_that_ends_the_connection_may_have_the_mail(mail_server: MailServer) -> None:
    mail_server.drops_after_data = True
    result = send(mail_server.url)
    assert not result.sent
    assert not result.surely_not_taken


def test_a_webhook_gets_its_key_as_header_and_field(webhook: WebhookServer) -> None:
    assert send(webhook.url()).sent
    (message,) = webhook.posted
    assert message.key == message.raw["key"] == "k" * 32
    assert (message.title, message.body.splitlines()[0]) == ("[CRITICAL] Fire", "Fire")


@pytest.mark.parametrize(
    ("status", "headers", "result"),
    [
        (500, {}, SendResult("server", 500)),
        (503, {"Retry-After": "30"}, SendResult("server", 503, 30.0)),
        (429, {"Retry-After": "77"}, SendResult("busy", 429, 77.0)),
        (429, {"Retry-After": "99999999"}, SendResult("busy", 429, 3_600.0)),
        (429, {"Retry-After": "soon"}, SendResult("busy", 429)),
        (401, {}, SendResult("refused", 401)),
        (404, {}, SendResult("refused", 404)),
    ],
)
def test_a_webhook_that_answers_otherwise(
    webhook: WebhookServer, status: int, headers: dict[str, str], result: SendResult
) -> None:
    webhook.status, webhook.headers = status, headers
    assert send(webhook.url()) == result


def test_nobody_answers() -> None:
    assert send(f"json://kota:{SECRET}@127.0.0.1:{free_port()}/x") == SendResult("connection")
    assert send(f"json://kota:{SECRET}@no-such-host.invalid/x") == SendResult("connection")


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, ["127.0.0.1"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / CERTIFICATE, tmp_path / KEY)
    with running_webhook(context) as server:
        assert send(server.url()) == SendResult("certificate")
        assert server.posted == []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / CA))
            assert send(server.url()).sent


def test_a_process_that_hangs_is_ended_at_its_deadline(webhook: WebhookServer) -> None:
    webhook.holds.set()
    seconds = iter([0.0, *[19.9] * 400, *[20.1] * 100])
    process = SenderProcess(SendRequest(webhook.url(), "t", "b", "k"), monotonic=lambda: next(seconds))
    wait_for(lambda: webhook.posted, "the message")
    assert process.result() is None
    assert wait_for(process.result, "the deadline") == SendResult("timeout")
    assert process.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_process_that_cannot_be_started_or_says_nonsense_has_a_result() -> None:
    request = SendRequest("json://x/y")
    assert SenderProcess(request, ["/no/such/program"]).wait() == SendResult("ended")
    assert SenderProcess(request, [sys.executable, "-c", "print('x')"]).wait() == SendResult("ended")


def test_the_address_is_in_no_argument_and_no_environment(webhook: WebhookServer) -> None:
    webhook.holds.set()
    process = SenderProcess(SendRequest(webhook.url(), "t", "b", "k"))
    wait_for(lambda: webhook.posted, "the message")
    shown = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    process.end()
    assert SECRET.encode() not in shown
    assert b"KOTA_" not in shown


# The command line


Kota = Callable[..., tuple[int, str]]


@pytest.fixture
def kota(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Kota:
    def run(*arguments: str) -> tuple[int, str]:
        code = main([*arguments, "--data", str(tmp_path)])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def test_a_recipient_is_listed_tested_and_its_failure_remembered(
    tmp_path: Path, webhook: WebhookServer, kota: Kota
) -> None:
    city = Alarmed(tmp_path, "")
    city.recipients(dinas=webhook.url(), mati=f"json://kota:{SECRET}@127.0.0.1:{free_port()}/x")
    assert kota("notify", "test", "dinas") == (0, "dinas: json has taken the message\n")
    assert "Test of the notifications of Jaga Kota" in webhook.posted[0].title
    code, shown = kota("notify", "test", "mati")
    assert (code, shown) == (1, "mati: not delivered; json: nobody answers at its address\n")
    code, shown = kota("notify", "list")
    assert code == 0
    assert shown.splitlines()[0] == "dinas: json, dispatcher"
    assert shown.splitlines()[1].startswith("mati: json, dispatcher, fails since ")
    assert SECRET not in shown
    listed = json.loads(kota("notify", "list", "--json")[1])
    assert [(entry["name"], entry["service"], entry["reason"]) for entry in listed] == [
        ("dinas", "json", ""),
        ("mati", "json", "connection"),
    ]
    webhook.status = 500
    assert kota("notify", "test", "dinas") == (1, "dinas: not delivered; json: the service has failed (500)\n")
    code, shown = kota("notify", "test", "nobody")
    assert (code, "there is no recipient 'nobody'; there are: dinas, mati" in shown) == (2, True)
    city.people.close()


def test_kota_check_says_what_is_wrong_with_which_recipient(tmp_path: Path, kota: Kota) -> None:
    path = tmp_path / FILE_NAME

    def checked(text_: str) -> str:
        path.write_text(text_)
        path.chmod(0o600)
        _, shown = kota("check")
        assert SECRET not in shown
        return next(line for line in shown.splitlines() if " notifications: " in line)

    assert kota("check")[1].count("ok   notifications: no recipients") == 1
    good = f'[dinas]\nroles = "dispatcher"\nurl = "json://kota:{SECRET}@127.0.0.1/x"\n'
    assert checked(good) == "ok   notifications: 1 recipients, each address is understood"
    assert checked(good.replace("json:", "jsno:")).startswith(
        "FAIL notifications: notifications.toml [dinas]: url: jsno:"
    )
    assert "[dinas]: roles: 'boss'" in checked(good.replace("dispatcher", "boss"))
    assert "[dinas]: url: is not an address" in checked(good.replace("json://", ""))
