"""Zones over REST: who may draw, what is refused and how it is told, and what rejected cases suggest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from api.queries.cases import cases
from api.queries.suggestions import suggest_ignores
from city.inventory.zone_plans import plan_path, read_plan, still_path
from city.inventory.zones import Zone
from ingest.store.views.cases import Case
from tests.unit.api.conftest import NOW, Stage

SAME_SITE = {"Origin": "http://127.0.0.1"}
SQUARE = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
ZONE = {"kind": "beside", "name": "Samping bak", "polygon": SQUARE}
PATH = "/api/v1/cameras/cam-01/zones"


def draw(stage: Stage, *zones: dict[str, Any], version: str = "", **more: Any) -> Response:
    body = {"zones": list(zones), "version": version, **more}
    return stage.client().put(PATH, json=body, headers=SAME_SITE)


def test_what_is_drawn_is_in_force_and_comes_back(stage: Stage) -> None:
    before = stage.client().get(PATH).json()
    assert (before["drawn"], before["version"], before["zones"], before["still"]) == (False, "", [], False)
    after = draw(stage, ZONE, person_height=[[0.4, 0.1], [0.9, 0.3]]).json()
    assert stage.client().get(PATH).json() == after
    assert (after["zones"], after["person_height"]) == ([ZONE], [[0.4, 0.1], [0.9, 0.3]])
    assert read_plan(plan_path(stage.folder, "cam-01")).zones[0].kind == "beside"
    assert draw(stage, version=after["version"]).json()["zones"] == [], "drawing nothing is a drawing"


def test_the_zones_of_the_inventory_hold_until_something_is_drawn(stage: Stage) -> None:
    shown = stage.client().get("/api/v1/cameras/cam-03/zones").json()
    assert [(zone["kind"], len(zone["polygon"])) for zone in shown["zones"]] == [("watch", 4)]


def test_two_who_draw_at_once_notice_each_other(stage: Stage) -> None:
    assert draw(stage, ZONE).status_code == 200
    refused = draw(stage, {**ZONE, "kind": "mask"})
    assert (refused.status_code, "somebody else" in refused.json()["detail"]) == (409, True)
    assert stage.client().get(PATH).json()["zones"] == [ZONE]


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        ({"polygon": SQUARE[:2]}, "points"),
        ({"polygon": [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]}, "crossing"),
        ({"polygon": [[0, 0], [2, 0], [0, 2]]}, "outside"),
        ({"name": ""}, "name"),
    ],
)
def test_every_fault_is_told_with_its_zone_and_code(stage: Stage, zone: dict[str, Any], code: str) -> None:
    answer = draw(stage, {**ZONE, "name": "baik"}, {**ZONE, **zone})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["field"], error["zone"], error["code"]) == ("zones.1", 1, code)
    assert not plan_path(stage.folder, "cam-01").exists()


@pytest.mark.parametrize(
    "body",
    [
        {"zones": [{**ZONE, "kind": "near"}]},
        {"zones": [{**ZONE, "polygon": "everywhere"}]},
        {"zones": [{**ZONE, "polygon": [[0, 0, 0]]}]},
        {"zones": [ZONE] * 201},
        {"person_height": []},
        [],
    ],
)
def test_a_body_of_another_shape_is_a_problem(stage: Stage, body: Any) -> None:
    answer = stage.client().put(PATH, json=body, headers=SAME_SITE)
    assert (answer.status_code, answer.json()["status"]) == (422, 422)


def test_persons_that_cannot_be_are_told(stage: Stage) -> None:
    (error,) = draw(stage, person_height=[[0.9, 0.1], [0.4, 0.3]]).json()["errors"]
    assert (error["field"], error["code"]) == ("person_height", "person_height")


def test_operators_draw_and_viewers_do_not_even_look(stage: Stage) -> None:
    body = {"zones": [ZONE]}
    assert stage.client(demo=False).put(PATH, json=body).status_code == 401
    viewer = stage.client(demo=False, token=stage.token("viewer"))
    assert {viewer.put(PATH, json=body).status_code, viewer.get(PATH).status_code} == {403}
    assert viewer.get("/api/v1/cameras/cam-01/still").status_code == 403
    assert stage.client().put(PATH, json=body, headers={"Origin": "http://elsewhere"}).status_code == 403
    operator = stage.client(demo=False, token=stage.token("supervisor"))
    assert operator.put(PATH, json=body).status_code == 200
    (entry,) = stage.people.audit.search(action="zones")
    assert (entry.actor_name, entry.object, entry.detail) == ("supervisor", "cam-01", {"zones": 1})


@pytest.mark.parametrize("camera", ["cam-99", "bin-0451", "..%2Fcam-01"])
def test_only_cameras_have_zones(stage: Stage, camera: str) -> None:
    client = stage.client()
    assert client.get(f"/api/v1/cameras/{camera}/zones").status_code == 404
    assert client.get(f"/api/v1/cameras/{camera}/still").status_code == 404
    answer = client.put(f"/api/v1/cameras/{camera}/zones", json={"zones": []}, headers=SAME_SITE)
    assert answer.status_code in (404, 405)


def test_a_disk_that_refuses_is_told_without_its_folders(stage: Stage) -> None:
    (stage.folder / "zones").write_text("in the way")
    answer = draw(stage, ZONE)
    assert (answer.status_code, str(stage.folder) in answer.text) == (503, False)


def test_the_still_is_served_to_whoever_draws(stage: Stage) -> None:
    client = stage.client()
    assert client.get("/api/v1/cameras/cam-01/still").status_code == 404
    path = still_path(stage.folder, "cam-01")
    path.parent.mkdir()
    path.write_bytes(b"jpeg")
    answer = client.get("/api/v1/cameras/cam-01/still")
    assert (answer.content, answer.headers["content-type"]) == (b"jpeg", "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    assert client.get(PATH).json()["still"] is True


BOX = [200, 100, 40, 30]
FRAME = [400, 300]


def judged(stage: Stage, number: int, verdict: str, box: list[int], days_ago: float = 1, **more: Any) -> None:
    """Store a case of cam-01 and what somebody said of it."""
    at = NOW - timedelta(days=days_ago, seconds=number)
    case = {"case": f"c-{number}-{verdict}", "box": box, "frame": FRAME, **more}
    stage.happen("cam-01", "dumping", at=at, **case)
    said = {"case": case["case"], "verdict": verdict, "reason": "shadow" if verdict == "rejected" else ""}
    stage.happen("cam-01", "review", "noted", at=at + timedelta(minutes=1), **said)


def all_of(stage: Stage) -> list[Case]:
    return cases(stage.context(), start=NOW - timedelta(days=90))


def test_three_rejects_at_one_place_suggest_to_ignore_it(stage: Stage) -> None:
    for number, (left, top) in enumerate([(200, 100), (204, 98), (196, 103)]):
        judged(stage, number, "rejected", [left, top, 40, 30])
    judged(stage, 9, "rejected", [10, 10, 40, 30])
    (suggestion,) = suggest_ignores(all_of(stage), ())
    assert (suggestion.rejects, suggestion.reasons) == (3, {"shadow": 3})
    assert suggestion.polygon == ((0.48, 0.3167), (0.62, 0.3167), (0.62, 0.4533), (0.48, 0.4533))
    shown = stage.client().get(PATH).json()["suggestions"]
    assert [(suggestion["rejects"], suggestion["reasons"]) for suggestion in shown] == [(3, {"shadow": 3})]
    ignored = Zone("ignore", "x", suggestion.polygon)
    assert suggest_ignores(all_of(stage), (ignored,)) == [], "it is ignored already"


def test_two_rejects_are_chance(stage: Stage) -> None:
    for number in range(2):
        judged(stage, number, "rejected", BOX)
    assert suggest_ignores(all_of(stage), ()) == []


def test_where_a_case_was_confirmed_nothing_is_ignored(stage: Stage) -> None:
    for number in range(5):
        judged(stage, number, "rejected", BOX)
    judged(stage, 9, "confirmed", [225, 120, 60, 40])
    assert suggest_ignores(all_of(stage), ()) == []


def test_rejects_in_a_row_are_no_one_place(stage: Stage) -> None:
    for number in range(8):
        judged(stage, number, "rejected", [20 + 30 * number, 100, 40, 30])
    assert suggest_ignores(all_of(stage), ()) == []


def test_old_rejects_and_pictures_of_unknown_size_suggest_nothing(stage: Stage) -> None:
    for number in range(3):
        judged(stage, number, "rejected", BOX, days_ago=61)
        judged(stage, 10 + number, "rejected", BOX, frame=[])
        judged(stage, 20 + number, "rejected", BOX, frame=[0, 300])
    assert stage.client().get(PATH).json()["suggestions"] == []


def test_the_place_with_most_rejects_comes_first(stage: Stage) -> None:
    for number in range(7):
        judged(stage, number, "rejected", BOX if number < 3 else [20, 200, 40, 30])
    assert [suggestion.rejects for suggestion in suggest_ignores(all_of(stage), ())] == [4, 3]
