"""Reviews over REST: who may judge, what goes together, and that a word is kept once, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.auth.access import COOKIE
from api.queries.cases import cases
from api.queries.reviews import PENDING_MAX, ReviewService
from city.errors import RetryLaterError
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.store.duckdb.store import DuckStore
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import EventQuery
from ingest.store.views.reviews import Review
from tests.unit.api.conftest import CITY, NOW, Stage

SAME_SITE = {"Origin": "http://127.0.0.1"}


@pytest.fixture
def dumped(stage: Stage) -> Stage:
    """Two cases at one site, one at another."""
    for minute, (camera, case) in enumerate([("cam-01", "c-1"), ("cam-01", "c-2"), ("cam-02", "c-3")]):
        stage.happen(camera, "dumping", at=NOW - timedelta(minutes=30 - minute), case=case)
    return stage


def judge(client: TestClient, case: str, verdict: str, **more: Any) -> Response:
    return client.post(f"/api/v1/dumping/cases/{case}/review", json={"verdict": verdict, **more}, headers=SAME_SITE)


def test_a_verdict_shows_at_once_and_stays_once_it_is_stored(dumped: Stage) -> None:
    client = dumped.client()
    answer = judge(client, "c-1", "rejected", reason="shadow", note=" bayangan ").json()
    assert (answer["verdict"], answer["reason"], answer["note"], answer["reviewed_by"], answer["open"]) == (
        "rejected",
        "shadow",
        "bayangan",
        "demo",
        False,
    )
    shown = client.get("/api/v1/dumping/cases/c-1").json()
    dumped.drain()
    assert client.get("/api/v1/dumping/cases/c-1").json() == shown
    assert dumped.reviews.pending([]) == []
    assert dumped.room.records()["c-1"].verdict == "rejected", "its evidence is kept for as long as a rejected case's"


def test_undo_brings_a_case_back(dumped: Stage) -> None:
    client = dumped.client()
    judge(client, "c-1", "confirmed")
    answer = judge(client, "c-1", "reopened").json()
    assert (answer["verdict"], answer["reviewed_by"]) == ("none", "demo")


def test_a_merged_case_is_shown_under_the_other(dumped: Stage) -> None:
    client = dumped.client()
    assert judge(client, "c-1", "merged", into="c-2").json()["into"] == "c-2"
    assert client.get("/api/v1/dumping/cases/c-2").json()["merged"] == ["c-1"]


@pytest.mark.parametrize(
    ("into", "status"), [("c-1", 409), ("c-3", 409), ("c-9", 404), ("../c", 422), (None, 422)], ids=str
)
def test_what_cannot_be_merged_is_refused(dumped: Stage, into: str | None, status: int) -> None:
    assert judge(dumped.client(), "c-1", "merged", into=into).status_code == status
    assert dumped.journaled == []


def test_nothing_is_merged_into_what_is_no_case(dumped: Stage) -> None:
    client = dumped.client()
    judge(client, "c-2", "rejected", reason="animal")
    assert judge(client, "c-1", "merged", into="c-2").status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"verdict": "rejected"},
        {"verdict": "rejected", "reason": "boring"},
        {"verdict": "confirmed", "reason": "shadow"},
        {"verdict": "confirmed", "into": "c-2"},
        {"verdict": "confirmed", "note": "x" * 501},
        {"verdict": "none"},
        {},
    ],
)
def test_what_does_not_go_together_is_refused(dumped: Stage, body: dict[str, Any]) -> None:
    answer = dumped.client().post("/api/v1/dumping/cases/c-1/review", json=body, headers=SAME_SITE)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert dumped.journaled == []


def test_only_operators_judge_and_only_from_our_own_pages(dumped: Stage) -> None:
    path, body = "/api/v1/dumping/cases/c-1/review", {"verdict": "confirmed"}
    assert dumped.client(demo=False).post(path, json=body).status_code == 401
    viewer = dumped.client(demo=False, token=dumped.token("viewer"))
    assert viewer.post(path, json=body).status_code == 403
    assert dumped.client().post(path, json=body, headers={"Origin": "http://elsewhere"}).status_code == 403
    assert dumped.journaled == []
    admin = dumped.client(demo=False, token=dumped.token("administrator"))
    assert admin.post(path, json=body).json()["reviewed_by"] == "administrator"


def test_who_judged_is_in_the_audit_and_notes_are_not(dumped: Stage) -> None:
    client = dumped.client(demo=False)
    client.cookies[COOKIE] = dumped.cookie("camera_verifier")
    judge(client, "c-1", "rejected", reason="other", note="nama orang")
    (entry,) = dumped.people.audit.search(action="case")
    assert (entry.actor, entry.actor_name) == (dumped.account("camera_verifier").id, "camera_verifier")
    assert (entry.object, entry.detail["verdict"], entry.address) == ("c-1", "rejected", "127.0.0.1")
    assert "nama orang" not in str(dumped.people.audit.search())
    assert dumped.people.audit.faults() == []


def test_a_case_that_is_not_there_cannot_be_judged(dumped: Stage) -> None:
    assert judge(dumped.client(), "c-9", "confirmed").status_code == 404


def test_a_full_journal_is_said_and_nothing_is_shown_as_done(dumped: Stage) -> None:
    def refuse(_arrivals: Sequence[Arrival]) -> None:
        raise RetryLaterError("journal: full")

    dumped.reviews = ReviewService(CITY.id, "api", refuse)
    client = dumped.client()
    assert judge(client, "c-1", "confirmed").status_code == 503
    assert client.get("/api/v1/dumping/cases/c-1").json()["verdict"] == "none"
    assert dumped.room.records() == {}


def test_what_is_said_last_counts_also_when_the_clock_was_set_back(dumped: Stage) -> None:
    judge(dumped.client(now=NOW + timedelta(hours=1)), "c-1", "confirmed")
    judge(dumped.client(), "c-1", "reopened")
    dumped.drain()
    assert dumped.client().get("/api/v1/dumping/cases/c-1").json()["verdict"] == "none"


def test_a_review_is_stored_once_however_often_it_is_drained(tmp_path: Path, dumped: Stage) -> None:
    """The service of one process, the journal and the store of another."""
    with closing(Journal(tmp_path / "journal.sqlite", max_bytes=1 << 20)) as ours:
        dumped.reviews = ReviewService(CITY.id, "api", ours.append)
        for verdict in ("confirmed", "reopened", "confirmed"):
            judge(dumped.client(), "c-1", verdict)
    with closing(Journal(tmp_path / "journal.sqlite", max_bytes=1 << 20)) as theirs:
        theirs.append([entry.arrival for entry in theirs.read(after=0, limit=9)])  # delivered twice
        with closing(DuckStore(tmp_path / "city.duckdb")) as store:
            stop = threading.Event()
            stop.set()
            unknown = Quarantine(tmp_path / "strangers.sqlite")
            drain = Drain(
                theirs, Decoder(CITY, late_after=timedelta(minutes=15)), store, dumped.box, unknown, clock=lambda: NOW
            )
            drain.run(stop)
            stored = store.events(EventQuery(NOW, NOW + timedelta(hours=1), types=("review",)))
            assert [event.detail["verdict"] for event in reversed(stored)] == ["confirmed", "reopened", "confirmed"]
            assert [(life.device, life.rows, life.duplicates) for life in store.stored_sequences()] == [
                ("cam-01", 3, 0)
            ]
            assert store.latest(device="cam-01") == [], "a word about a camera is no sign of life of it"
    assert dumped.box.count() == 0


def test_the_service_forgets_the_oldest_of_very_many() -> None:
    service = ReviewService(CITY.id, "api", lambda _arrivals: None)
    for _ in range(PENDING_MAX + 3):
        service.submit("cam-01", Review("c-1", "confirmed"), NOW)
    assert [service.pending([])[0].origin.seq, len(service.pending([]))] == [3, PENDING_MAX]


def test_no_case_is_forgotten_because_there_are_many_events(stage: Stage) -> None:
    for n in range(1_150):
        stage.happen("cam-01", "dumping", at=NOW - timedelta(seconds=n // 7), case=f"c-{n}")
    assert len(cases(stage.context())) == 1_150


def test_what_happened_after_a_range_is_known_of_the_cases_in_it(stage: Stage) -> None:
    stage.happen("cam-01", "dumping", at=NOW - timedelta(hours=5), case="c-1")
    stage.happen("cam-01", "dumping", at=NOW - timedelta(hours=1), case="c-2")
    stage.happen("cam-01", "dumping", "cleared", at=NOW - timedelta(hours=1), case="c-1")
    (case,) = cases(stage.context(), end=NOW - timedelta(hours=2))
    assert (case.id, case.state) == ("c-1", "cleared")
