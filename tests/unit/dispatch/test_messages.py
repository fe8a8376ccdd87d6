"""The words of messages: short, in both languages, without persons and addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from city.i18n.catalogue import LANGS, Lang
from city.inventory.loader import builtin_city, load_city
from dispatch.alarms.rules import KINDS, AlarmKind, load_rules
from dispatch.alarms.service import Alarm
from dispatch.notifications.messages import message_of
from dispatch.notifications.planning import NotificationKind, Waiting

CITY = load_city(builtin_city("kupang"))
RULES = load_rules()
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "https://kota.example"
TRUCK = next(iter(CITY.trucks.values()))


def entry(kind: AlarmKind = "overflowing", number: int = 1, row: NotificationKind = "raised", **fields: Any) -> Waiting:
    device = CITY.devices["bin-0451"]
    values = {
        "subject": device.id,
        "subject_kind": device.KIND,
        "site": device.site,
        "kelurahan": device.kelurahan,
        "detail": {"ssid": "WiFi-Pak-Budi", "client": "aa:bb:cc:dd:ee:ff"},
        "acknowledged_by": "",
    }
    alarm = Alarm(
        **{**values, "id": number, "kind": kind, "priority": RULES[kind].priority, "state": "unacknowledged"}
        | {"since": NOW, "raised_at": NOW}
        | fields
    )
    return Waiting(number, "dinas", row, "pending", NOW, 0, "", alarm)


def test_a_message_says_what_where_since_when_and_what_to_do() -> None:
    message = message_of([entry("breakdown", subject=TRUCK.id, subject_kind="truck")], "id", CITY, URL)
    assert message.title.startswith("[TINGGI] Truk rusak: ")
    assert TRUCK.plate in message.title
    assert message.body.splitlines()[2:] == [
        "Sejak: 01/03/2026 20:00 WITA",
        "Tindakan: Hubungi pengemudi dan atur truk pengganti.",
        "https://kota.example/alarm/1",
    ]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ["raised", "reminder", "escalation", "acknowledged", "cleared"])
def test_every_kind_has_its_words_and_no_person_or_address(lang: Lang, kind: AlarmKind, row: NotificationKind) -> None:
    handled = {"acknowledged_by": "maria.seran", "acknowledged_at": NOW, "shelved_by": "yohanes", "shelved_reason": "x"}
    message = message_of([entry(kind, row=row, **handled)], lang, CITY, URL)
    text = f"{message.title}\n{message.body}"
    for secret in ("maria", "yohanes", "Budi", "aa:bb"):
        assert secret not in text
    assert len(message.title) < 160
    assert len(text) < 600
    assert "<" not in text


def test_what_has_ended_meanwhile_is_said_so() -> None:
    message = message_of([entry(state="cleared", cleared_at=NOW + timedelta(minutes=7))], "en", CITY, URL)
    assert "Ended: 01/03/2026 20:07 WITA" in message.body
    assert "To do" not in message.body


@pytest.mark.parametrize("subject", ["aa:bb:cc:dd:ee:ff", "AABBCCDDEEFF", "rumah-pak-budi"])
def test_an_unknown_device_is_not_named(subject: str) -> None:
    unknown = entry("bad_messages", subject=subject, subject_kind="platform", site="", kelurahan="")
    message = message_of([unknown], "en", CITY, URL)
    assert subject not in f"{message.title}{message.body}"
    assert "the system" in message.title


def test_an_address_in_a_name_is_masked() -> None:
    named = entry("notification_failing", subject="aa:bb:cc:dd:ee:ff", subject_kind="platform", site="", kelurahan="")
    assert "aa:bb" not in message_of([named], "en", CITY, URL).title


def test_a_digest_counts_kinds_and_names_the_worst() -> None:
    fire = entry("fire", 1)
    many = [fire, *(entry("overflowing", number) for number in range(2, 601))]
    message = message_of(many, "en", CITY, URL)
    assert message.title == f"[CRITICAL] {CITY.name}: 600 alarms"
    assert "Container full: 599" in message.body
    assert "- Fire: bin-0451" in message.body
    assert "and 595 more alarms" in message.body
    assert message.body.endswith(f"{URL}/alarms")
    assert len(message.body) < 1_500


def test_a_digest_says_what_has_ended_and_what_nobody_acknowledges() -> None:
    ended = entry("fire", 1, "cleared", state="cleared", cleared_at=NOW)
    message = message_of([ended, entry("overflowing", 2, "reminder")], "en", CITY, URL)
    assert "Ended: 1" in message.body
    assert "Container full: 1" in message.body
    assert "- Ended: Fire: bin-0451" in message.body
    assert "- Reminder, not acknowledged: Container full: bin-0451" in message.body


def test_an_alarm_is_once_in_a_digest() -> None:
    twice = [entry("fire", 1), msgspec.structs.replace(entry("fire", 1), id=9, kind="reminder")]
    assert message_of(twice, "en", CITY, URL).title.startswith("[CRITICAL] Fire: bin-0451")
