"""Cases and what people said of them: the last word counts, in any order, and nobody speaks of another's cases."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.inventory.loader import builtin_city, load_city
from ingest.store.records import EventRecord, RecordOrigin
from ingest.store.views.cases import Case, fold
from ingest.store.views.reviews import merge_targets

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))


def event(
    type_: str, state: str, minute: float = 0, camera: str = "cam-01", seq: int = 1, **detail: Any
) -> EventRecord:
    at = NOW + timedelta(minutes=minute)
    return EventRecord(RecordOrigin("camera", camera, "b", seq, at, at), type_, state, detail)  # type: ignore[arg-type]


def raised(case: str = "c-1", minute: float = 0, **detail: Any) -> EventRecord:
    return event("dumping", "raised", minute, case=case, **detail)


def said(verdict: str, minute: float = 1, case: str = "c-1", **detail: Any) -> EventRecord:
    return event("review", "noted", minute, detail.pop("camera", "cam-01"), case=case, verdict=verdict, **detail)


def folded(*events: EventRecord) -> dict[str, Case]:
    return {case.id: case for case in fold(events, CITY, simulated=False)}


def test_an_unreviewed_case_waits_and_is_open() -> None:
    case = folded(raised())["c-1"]
    assert (case.verdict, case.is_open, case.counts, case.reviewed_at) == ("none", True, True, None)


def test_a_confirmed_case_stays_open_until_the_waste_is_gone() -> None:
    case = folded(raised(), said("confirmed", by="operator", note="ya"))["c-1"]
    assert (case.verdict, case.is_open, case.note, case.reviewed_by) == ("confirmed", True, "ya", "operator")
    assert case.reviewed_at == NOW + timedelta(minutes=1)
    gone = event("dumping", "cleared", 5, case="c-1")
    assert not folded(raised(), said("confirmed"), gone)["c-1"].is_open


def test_a_rejected_case_is_open_nowhere_and_has_its_reason() -> None:
    case = folded(raised(), said("rejected", reason="shadow"))["c-1"]
    assert (case.state, case.is_open, case.counts, case.reason) == ("open", False, False, "shadow")


def test_the_last_word_counts_in_whatever_order_words_arrive() -> None:
    words = [
        said("confirmed", 1),
        said("rejected", 2, reason="animal"),
        said("reopened", 3),
        said("rejected", 4, reason="vehicle"),
    ]
    for shuffle in range(20):
        random.Random(shuffle).shuffle(words)
        assert folded(*words[:2], raised(), *words[2:], words[0])["c-1"].reason == "vehicle"
    assert folded(raised(), said("rejected", 2, reason="animal"), said("reopened", 3))["c-1"].verdict == "none"


def test_reviews_of_one_moment_have_one_outcome() -> None:
    both = [said("confirmed", seq=8), said("rejected", reason="other", seq=9)]
    assert {folded(raised(), *order)["c-1"].verdict for order in (both, both[::-1])} == {"rejected"}


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"verdict": "burnt"},
        {"verdict": "rejected"},
        {"verdict": "rejected", "reason": "boring"},
        {"verdict": "merged"},
        {"verdict": "merged", "into": "../etc"},
        {"verdict": "confirmed", "note": "x" * 501},
        {"verdict": "confirmed", "case": 7},
        {"verdict": ["confirmed"]},
    ],
)
def test_a_review_that_makes_no_sense_says_nothing(detail: dict[str, Any]) -> None:
    assert folded(raised(), event("review", "noted", 1, **{"case": "c-1", **detail}))["c-1"].verdict == "none"


def test_a_camera_speaks_of_its_own_cases_only() -> None:
    foreign = said("rejected", reason="shadow", camera="cam-02")
    assert folded(raised(), foreign)["c-1"].verdict == "none"
    assert folded(raised(), event("dumping", "cleared", 1, "cam-02", case="c-1"))["c-1"].state == "open"


def test_a_review_of_a_case_that_nobody_knows_is_no_case() -> None:
    assert folded(said("confirmed")) == {}


def test_a_merged_case_is_shown_where_it_ends() -> None:
    found = folded(
        raised("c-1"),
        raised("c-2"),
        raised("c-3"),
        said("merged", case="c-1", into="c-2"),
        said("merged", case="c-2", into="c-3"),
    )
    assert [(found[id_].verdict, found[id_].into, found[id_].merged) for id_ in ("c-1", "c-2", "c-3")] == [
        ("merged", "c-3", []),
        ("merged", "c-3", []),
        ("none", "", ["c-1", "c-2"]),
    ]
    assert [id_ for id_, case in found.items() if case.is_open] == ["c-3"]
    undone = folded(raised("c-1"), raised("c-2"), said("merged", into="c-2"), said("reopened", 2))
    assert (undone["c-1"].into, undone["c-2"].merged) == ("", [])


def test_merges_in_a_circle_leave_every_case_to_be_seen() -> None:
    found = folded(raised("c-1"), raised("c-2"), said("merged", into="c-2"), said("merged", case="c-2", into="c-1"))
    assert {case.verdict for case in found.values()} == {"none"}


@given(st.dictionaries(st.integers(0, 8), st.integers(0, 9)))
def test_merges_always_end_and_never_at_a_merged_case(merges: dict[int, int]) -> None:
    into = {str(case): str(target) for case, target in merges.items()}
    ends = merge_targets(into)
    assert all(end not in into for end in ends.values())
    assert ends.keys() <= into.keys()


def test_a_case_says_where_in_the_picture_it_is_and_in_what_zone() -> None:
    case = folded(raised(box=[1, 2, 3, 4], frame=[480, 270], zone="beside"))["c-1"]
    assert (case.box, case.frame, case.zone) == ([1.0, 2.0, 3.0, 4.0], [480.0, 270.0], "beside")
    odd = folded(raised(box=[1, True, "3", 4], frame=[480], zone="<b>"))["c-1"]
    assert (odd.box, odd.frame, odd.zone) == ([], [], "")


@pytest.mark.parametrize("since", ["", "noon", "2026-03-01T12:00:00", "9" * 40, 7])
def test_a_time_that_is_none_stops_nothing(since: object) -> None:
    assert folded(raised(since=since))["c-1"].since_at is None
    assert folded(raised(since=NOW.isoformat()))["c-1"].since_at == NOW
