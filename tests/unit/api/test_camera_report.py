"""Which camera lies: verdicts counted with care, blindness clipped to the city's day, silence that is no zero."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.queries.camera_metrics import BUCKET_S, CameraMetrics, TimeRange, camera_metrics, local_day, wilson
from api.queries.reporting import camera_reports
from ingest.store.port import SeriesPoint
from ingest.store.records import EventRecord, RecordOrigin
from ingest.store.views.cases import Case, fold
from tests.unit.api.conftest import CITY, NOW, Stage

WITA = ZoneInfo("Asia/Makassar")
DAY = local_day(date(2026, 3, 1), WITA)
LATER = datetime(2026, 3, 5, tzinfo=UTC)
HOUR = 3_600.0


def wall(clock: str, day: int = 1) -> datetime:
    """A time of March 2026 on the city's clocks."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 3, day, hour, minute, tzinfo=WITA)


def word(state: str, at: datetime, reason: str = "covered", type_: str = "blind") -> EventRecord:
    detail: dict[str, Any] = {"reason": reason} if reason else {}
    return EventRecord(RecordOrigin("camera", "cam-01", "b", 1, at, at), type_, state, detail)  # type: ignore[arg-type]


def seen(*events: EventRecord, span: TimeRange = DAY, now: datetime = LATER) -> CameraMetrics:
    return camera_metrics(span, now, [], events, [])


def test_a_local_day_is_the_city_s() -> None:
    assert DAY[0].astimezone(UTC) == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert seen().known_s == 24 * HOUR


def test_blind_time_is_counted_by_reason() -> None:
    found = seen(
        word("raised", wall("08:00")),
        word("cleared", wall("09:00")),
        word("raised", wall("12:00"), "frozen"),
        word("cleared", wall("12:30"), "frozen"),
    )
    assert (found.blind_s, found.blind_by_reason_s) == (1.5 * HOUR, {"covered": HOUR, "frozen": HOUR / 2})


def test_what_overlaps_is_counted_once_in_all_and_once_for_each_reason() -> None:
    found = seen(
        word("raised", wall("08:00")),
        word("raised", wall("08:30"), "defocused"),
        word("cleared", wall("09:00")),
        word("cleared", wall("10:00"), "defocused"),
    )
    assert (found.blind_s, found.blind_by_reason_s) == (2 * HOUR, {"covered": HOUR, "defocused": 1.5 * HOUR})


def test_blind_since_before_the_day_and_still_blind_at_its_end() -> None:
    before = word("raised", wall("22:00") - timedelta(days=3), "moved")
    assert seen(before).blind_s == 24 * HOUR
    assert seen(before, word("cleared", wall("03:00"), "moved")).blind_s == 3 * HOUR
    assert seen(word("raised", wall("21:00"))).blind_s == 3 * HOUR
    assert seen(word("raised", wall("21:00")), word("cleared", wall("02:00", 2))).blind_s == 3 * HOUR
    assert seen(before, word("cleared", wall("23:00") - timedelta(days=1), "moved")).blind_s == 0
    assert seen(word("raised", wall("01:00", 2))).blind_s == 0


def test_today_is_blind_up_to_now() -> None:
    found = seen(word("raised", wall("08:00")), now=wall("10:00"))
    assert (found.blind_s, found.known_s) == (2 * HOUR, 10 * HOUR)
    assert seen(now=wall("10:00") - timedelta(days=3)).known_s == 0


def test_words_that_come_twice_or_never_end_well() -> None:
    assert (
        seen(word("raised", wall("08:00")), word("raised", wall("08:30")), word("cleared", wall("09:00"))).blind_s
        == HOUR
    )
    assert seen(word("cleared", wall("09:00"))).blind_s == 0
    other = seen(word("raised", wall("08:00"), "covered"), word("cleared", wall("09:00"), "frozen"))
    assert other.blind_by_reason_s == {"covered": HOUR}
    nameless = seen(word("raised", wall("08:00"), ""), word("cleared", wall("09:00"), ""))
    assert nameless.blind_by_reason_s == {"unknown": HOUR}
    old = seen(word("raised", wall("08:00"), "", "covered"), word("cleared", wall("09:00"), "", "covered"))
    assert old.blind_by_reason_s == {"covered": HOUR}


def test_events_in_any_order_say_the_same() -> None:
    words = [word("raised", wall("08:00")), word("cleared", wall("09:00")), word("raised", wall("23:00"))]
    assert seen(*words) == seen(*words[::-1])


def sights(*values: float | None, start: datetime = DAY[0]) -> list[SeriesPoint]:
    return [
        SeriesPoint(start + timedelta(seconds=n * BUCKET_S), value)
        for n, value in enumerate(values)
        if value is not None
    ]


def test_a_bucket_without_a_word_is_silence_and_never_heard_is_not_known() -> None:
    now = DAY[0] + timedelta(hours=1)
    found = camera_metrics(DAY, now, [], [], sights(1.0, 0.5, None, None, 0.0, 1.0))
    assert (found.offline_s, found.armed_share) == (2 * BUCKET_S, 0.625)
    never = camera_metrics(DAY, now, [], [], [])
    assert (never.offline_s, never.armed_share) == (None, None)
    yesterday = sights(1.0, start=DAY[0] - timedelta(days=1))
    assert camera_metrics(DAY, now, [], [], yesterday).offline_s == HOUR


def judged(*verdicts: str) -> list[Case]:
    events = []
    for number, verdict in enumerate(verdicts):
        at, id_ = wall("12:00") + timedelta(minutes=number), f"c-{number}"
        origin = RecordOrigin("camera", "cam-01", "b", number, at, at)
        events.append(EventRecord(origin, "dumping", "raised", {"case": id_}))
        said = {"case": id_, "verdict": verdict.split()[0], "reason": verdict.partition(" ")[2]}
        if verdict == "merged":
            said["into"] = "c-0"
        if verdict:
            events.append(EventRecord(origin, "review", "noted", said))
    return fold(events, CITY, simulated=False)


def test_verdicts_are_counted_by_reason_and_merged_cases_are_no_proof() -> None:
    found = camera_metrics(
        DAY,
        LATER,
        judged("confirmed", "rejected shadow", "rejected shadow", "rejected animal", "merged", "reopened"),
        [],
        [],
    )
    assert (found.cases, found.confirmed, found.rejected, found.merged, found.waiting) == (6, 1, 3, 1, 1)
    assert (found.reasons, found.precision, found.few) == ({"shadow": 2, "animal": 1}, 0.25, True)
    assert found.precision_range == (pytest.approx(0.046, abs=0.001), pytest.approx(0.699, abs=0.001))
    assert camera_metrics(local_day(date(2026, 3, 2), WITA), LATER, judged("confirmed"), [], []).cases == 0


def test_a_share_of_few_says_how_little_it_says() -> None:
    assert wilson(0, 0) is None
    assert wilson(1, 1) == (pytest.approx(0.206, abs=0.001), 1.0)
    assert wilson(190, 200) == (pytest.approx(0.910, abs=0.001), pytest.approx(0.973, abs=0.001))
    assert not camera_metrics(DAY, LATER, judged(*["confirmed"] * 20), [], []).few


def test_the_camera_that_is_surely_wrong_comes_first(stage: Stage) -> None:
    """One reject of one is chance; five of six is not, and neither is a day of blindness."""
    for number in range(6):
        reject(stage, "cam-05", number)
    reject(stage, "cam-06", 0)
    stage.happen("cam-07", "blind", at=NOW - timedelta(days=2), reason="covered")
    order = [report.camera for report in camera_reports(stage.context(), date(2026, 3, 1))]
    assert order[:4] == ["cam-05", "cam-06", "cam-07", "cam-01"]
    assert len(order) == len(CITY.cameras)


def reject(stage: Stage, camera: str, number: int, *, reason: str = "shadow") -> None:
    at, case = NOW - timedelta(minutes=number), f"{camera}-c{number}"
    stage.happen(camera, "dumping", at=at, case=case)
    stage.happen(camera, "review", "noted", at=at, case=case, verdict="rejected", reason=reason)


def test_the_report_of_a_day_over_rest_and_as_a_table(stage: Stage) -> None:
    reject(stage, "cam-01", 1, reason="person_standing")
    stage.happen("cam-01", "blind", at=NOW - timedelta(hours=2), reason="frozen")
    stage.measure("cam-01", NOW - timedelta(minutes=30), scene_ok=True)
    client = stage.client()
    first = client.get("/api/v1/cameras/report", params={"day": "2026-03-01"}).json()["cameras"][0]
    assert (first["camera"], first["day"]["rejected"], first["month"]["reasons"]) == (
        "cam-01",
        1,
        {"person_standing": 1},
    )
    assert client.get("/api/v1/cameras/report").json()["day"] == "2026-03-01"
    answer = client.get("/api/v1/cameras/report.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="kamera-kupang-2026-03-01.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(CITY.cameras)
    row = next(row for row in rows if row["camera"] == "cam-01")
    assert (row["rejected_person_standing"], row["precision"], row["armed_share"]) == ("1", "0.0", "1.0")
    assert float(row["blind_frozen_s"]) == pytest.approx(2 * HOUR, abs=2)
    silent = next(row for row in rows if row["camera"] == "cam-09")
    assert (silent["offline_s"], silent["armed_share"], silent["precision"]) == ("", "", "")


@pytest.mark.parametrize("day", ["2026-03-02", "2001-01-01", "0001-01-01", "9999-12-31", "yesterday"])
def test_a_day_that_nobody_can_know_is_refused(stage: Stage, day: str) -> None:
    answer = stage.client().get("/api/v1/cameras/report", params={"day": day})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_words_of_a_camera_are_no_formulas(stage: Stage) -> None:
    stage.happen("cam-01", "blind", at=NOW, reason='=HYPERLINK("x")')
    header = stage.client(now=NOW + timedelta(hours=1)).get("/api/v1/cameras/report.csv").text.splitlines()[0]
    assert ",=" not in header
    assert "blind_=HYPERLINK" in header


def test_time_before_the_first_measurement_is_not_silence() -> None:
    """On its first day a camera was not away for the month before."""
    first = DAY[0] + timedelta(hours=3)
    now = DAY[0] + timedelta(hours=5)
    sight = [SeriesPoint(first + timedelta(seconds=BUCKET_S * n), 1.0) for n in range(int(HOUR // BUCKET_S))]
    known = camera_metrics(DAY, now, [], [], sight, first)
    assert (known.known_s, known.offline_s) == (2 * HOUR, HOUR)
    assert camera_metrics(DAY, now, [], [], sight).offline_s == 4 * HOUR
