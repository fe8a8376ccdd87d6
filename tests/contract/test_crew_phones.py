"""What the crew's app relies on, on SQLite and PostgreSQL: what is told before an event is stored, and odd events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from api.crew.protocol import parse_taps
from dispatch.services import DispatchServices, dispatch_services
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import CrewSession, PhoneEvent
from people.attempts import FREE
from people.errors import TooManyAttemptsError
from people.service import People
from tests.contract.conftest import NOW, Clock
from tests.support.crews import DISPATCHER, code_of, open_shifts, shift_of, stops_of
from tests.support.dispatching import small_city

CITY = small_city()
BINS = list(CITY.bins)


@pytest.fixture
def dispatch(people: People, clock: Clock) -> DispatchServices:
    services = dispatch_services(people.database, people.audit, b"key", clock)
    open_shifts(services, CITY, {"truck-01": BINS[:3], "truck-02": BINS[3:5]}, NOW)
    return services


@pytest.fixture
def session(dispatch: DispatchServices) -> CrewSession:
    return dispatch.crews.enter(code_of(dispatch, "truck-01"), "10.1.1.1")


def event(session: CrewSession, seq: int, kind: Any = "collected", **fields: Any) -> PhoneEvent:
    at: datetime = fields.pop("at", NOW)
    return PhoneEvent(phone=session.phone, boot="b1", seq=seq, at=at, kind=kind, **fields)


def test_what_becomes_of_an_event_is_told_before_it_is_stored(dispatch: DispatchServices, session: CrewSession) -> None:
    mine, others = stops_of(dispatch, "truck-01")[0].id, stops_of(dispatch, "truck-02")[0].id
    photo = event(session, 0, "photo", stop=mine)
    assert dispatch.crews.receipt_of(session, photo) is None
    assert dispatch.shifts.taps([session.shift_id]) == []
    wrong = [
        event(session, 1, "photo", stop=others),
        event(session, 2, "photo", stop=9_999),
        event(session, 3, "photo"),
    ]
    told = [dispatch.crews.receipt_of(session, refused) for refused in wrong]
    assert told == dispatch.crews.record(session, wrong)
    assert [receipt.reason for receipt in told if receipt] == ["stop_of_others", "stop_unknown", "stop_unknown"]
    dispatch.crews.record(session, [photo])
    (known,) = dispatch.crews.record(session, [photo])
    assert dispatch.crews.receipt_of(session, photo) == known
    assert known.outcome == "known"


def test_an_event_without_a_stop_names_none_whatever_it_says(dispatch: DispatchServices, session: CrewSession) -> None:
    (receipt,) = dispatch.crews.record(session, [event(session, 0, "panic", stop=999_999)])
    assert receipt.outcome == "stored"
    (tap,) = dispatch.shifts.taps([session.shift_id])
    assert tap.stop_id is None


def test_odd_details_and_times_are_stored(dispatch: DispatchServices, session: CrewSession) -> None:
    odd = [
        {"detail": {"text": "nol \x00, emoji \U0001f69b, \u202e"}},
        {"detail": {"lat_deg": float("nan")}},
        {"at": "1970-01-01T00:00:00Z"},
        {"at": "2200-01-01T00:00:00+14:00"},
        {"seq": 2**53},
    ]
    raw = [
        {"phone": session.phone, "boot": "b1", "seq": number, "at": NOW.isoformat(), "kind": "shift_begun", **fields}
        for number, fields in enumerate(odd)
    ]
    taps, refused = parse_taps(raw)
    assert refused == []
    assert [receipt.outcome for receipt in dispatch.crews.record(session, taps)] == ["stored"] * len(odd)
    stored = dispatch.shifts.taps([shift_of(dispatch, "truck-01")])
    assert len(stored) == len(odd)
    assert any(tap.detail.get("text") == odd[0]["detail"]["text"] for tap in stored)  # type: ignore[index]
    assert all(tap.at <= NOW for tap in stored)


def test_guessing_from_everywhere_slows_down_codes_and_no_qr_code(dispatch: DispatchServices, clock: Clock) -> None:
    made = dispatch.crews.make_code(DISPATCHER, shift_of(dispatch, "truck-01"))
    wrong = f"{(int(made.code) + 1) % 1_000_000:06}"
    for number in range(FREE["account"]):
        with pytest.raises(DispatchError, match="code wrong"):
            dispatch.crews.enter(wrong, f"10.2.{number}.1")
    with pytest.raises(TooManyAttemptsError):
        dispatch.crews.enter(made.code, "10.3.0.1")
    assert dispatch.crews.enter(made.key, "10.3.0.1").shift_id == made.shift_id
    clock.move(timedelta(minutes=15))
    assert dispatch.crews.enter(made.code, "10.3.0.1").shift_id == made.shift_id


def test_a_wrong_key_is_no_code_and_slows_nobody_down(dispatch: DispatchServices) -> None:
    made = dispatch.crews.make_code(DISPATCHER, shift_of(dispatch, "truck-01"))
    for _ in range(FREE["account"] + 1):
        with pytest.raises(DispatchError, match="code wrong"):
            dispatch.crews.enter(made.key[:-1] + "?", "10.2.0.1")
    assert dispatch.crews.enter(made.code, "10.2.0.1").shift_id == made.shift_id
