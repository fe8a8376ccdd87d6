"""The queue's page, the cameras' page and the zones' page as markup: what is shown to whom, and in which words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from api.console.page_context import PageContext
from api.console.pages import cameras as cameras_page
from api.console.pages import dumping as dumping_page
from api.console.pages import zones as zones_page
from api.console.parts.case_card import card
from api.console.parts.hours import hours_box, hours_now
from api.queries.cases import cases
from api.queries.queue import CaseFilter, is_likely_same, merge_offers
from api.queries.reporting import camera_reports
from city.i18n.catalogue import CONSOLE_TEXTS, LANGS, Lang
from city.inventory.windows import ALL_DAY
from city.inventory.zone_plans import still_path
from city.inventory.zones import ZONE_KINDS
from ingest.store.views.reviews import REASONS, Verdict
from people.rights import Role
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, NOW, Stage


def page_context(stage: Stage, lang: Lang = "id", *, role: Role = "supervisor", now: datetime = NOW) -> PageContext:
    return PageContext(stage.context(now=now), lang, identity_with(role))


def dump(stage: Stage, case: str, minutes: float = 0, camera: str = "cam-01", **detail: Any) -> None:
    stage.happen(camera, "dumping", at=NOW - timedelta(minutes=minutes), case=case, **detail)


def say(stage: Stage, case: str, verdict: str, camera: str = "cam-01", **more: Any) -> None:
    stage.happen(camera, "review", "noted", at=NOW, case=case, verdict=verdict, **more)


def queue_page(stage: Stage, seen: PageContext | None = None, **asked: str) -> str:
    return str(dumping_page._queue(seen or page_context(stage), CaseFilter.of(asked)))


def shown(stage: Stage, **asked: str) -> list[str]:
    return re.findall(r'<article class="case" id="([^"]+)"', queue_page(stage, **asked))


def card_of(stage: Stage, seen: PageContext, **asked: str) -> str:
    found = cases(stage.context())
    (case,) = (listed for listed in found if CaseFilter.of(asked).matches(listed))
    return card(seen, case, merge_offers(case, found))


def test_a_case_shows_what_is_kept_and_says_what_is_not(stage: Stage) -> None:
    files = {"before": "before.jpg", "deposit": "deposit.jpg", "clip": "clip.webm"}
    dump(stage, "cam-02-x", camera="cam-02", evidence=files, simulated=True)
    stage.keep("cam-02-x", {"before.jpg": b"jpeg", "deposit.jpg": b"jpeg"})
    found = card_of(stage, page_context(stage))
    for name in ("before", "deposit"):
        assert f'<img src="/api/v1/dumping/cases/cam-02-x/evidence/{name}.jpg"' in found
    for words in (
        "SIMULASI",
        "18:00-06:00",
        "1 Mar 2026 20:00 WITA",
        CONSOLE_TEXTS.text("not_kept", "id"),
        "TPS Liliba",
    ):
        assert words in found
    assert "<video" not in found


def test_the_facts_say_where_it_lies_and_for_how_long(stage: Stage) -> None:
    dump(stage, "c-1", 30, zone="beside", since=(NOW - timedelta(hours=2)).isoformat())
    found = card_of(stage, page_context(stage, "en"))
    assert "Has been there for</dt><dd>2 h" in found
    assert "Beside the container: never allowed" in found
    stage.happen("cam-01", "dumping", "cleared", at=NOW - timedelta(minutes=60), case="c-1")
    assert "Was there for</dt><dd>60 min" not in card_of(stage, page_context(stage, "en"))
    assert "Was there for</dt><dd>1 h" in card_of(stage, page_context(stage, "en"))


def test_the_queue_shows_what_nobody_has_judged(stage: Stage) -> None:
    for number in range(4):
        dump(stage, f"c-{number}", number)
    say(stage, "c-0", "confirmed")
    say(stage, "c-1", "rejected", reason="animal")
    say(stage, "c-2", "merged", into="c-3")
    assert shown(stage) == ["c-3"]
    assert shown(stage, show="confirmed") == ["c-0"]
    assert shown(stage, show="rejected") == ["c-1"]
    assert shown(stage, show="all") == ["c-0", "c-1", "c-3"]
    assert shown(stage, case="c-2") == ["c-2"]
    assert ">1 kasus belum diperiksa</b>" in queue_page(stage)
    assert 'href="/dumping?case=c-2"' in queue_page(stage)


def test_the_queue_is_filtered_and_cut_to_pages(stage: Stage) -> None:
    for number in range(30):
        dump(stage, f"c-{number}", number)
    dump(stage, "d-0", 99, "cam-02")
    assert shown(stage, camera="cam-02") == shown(stage, site="tps-liliba") == ["d-0"]
    assert [len(shown(stage, page=str(number))) for number in (1, 3, 99)] == [12, 7, 7]
    assert 'href="/dumping?show=waiting&amp;page=2"' in queue_page(stage)


@pytest.mark.parametrize("asked", [{"page": "x"}, {"page": "-1"}, {"page": "²"}, {"show": "<b>"}, {"page": "9" * 50}])
def test_nonsense_in_an_address_is_left_open(asked: dict[str, str]) -> None:
    assert CaseFilter.of(asked) == CaseFilter()


@pytest.mark.parametrize("lang", list(LANGS))
def test_an_empty_queue_says_that_all_is_judged(stage: Stage, lang: Lang) -> None:
    """Without any case nothing has been judged."""
    assert CONSOLE_TEXTS.text("no_cases", lang) in queue_page(stage, page_context(stage, lang))
    dump(stage, "c-1")
    say(stage, "c-1", "confirmed")
    assert CONSOLE_TEXTS.text("all_judged", lang) in queue_page(stage, page_context(stage, lang))
    assert CONSOLE_TEXTS.text("no_cases", lang) in queue_page(stage, page_context(stage, lang), show="rejected")


def test_a_viewer_sees_verdicts_and_no_buttons(stage: Stage) -> None:
    dump(stage, "c-1")
    dump(stage, "c-2", 10)
    say(stage, "c-1", "rejected", reason="other", note="<b>kucing</b>")
    found = queue_page(stage, page_context(stage, role="viewer"), show="all")
    assert "data-submit" not in found
    assert "data-open" not in found
    assert "&lt;b&gt;kucing&lt;/b&gt;" in found
    assert CONSOLE_TEXTS.text("reason_other", "id") in found
    assert found.count(CONSOLE_TEXTS.text("review_operator_only", "id")) == 1


def test_every_verdict_has_its_button_and_key(stage: Stage) -> None:
    dump(stage, "c-1")
    found = card_of(stage, page_context(stage))
    assert re.findall(r'data-submit="(\w+)"', found) == ["reopened", "confirmed", *["rejected"] * 6]
    assert re.findall(r"<kbd>(.)</kbd>", found) == ["u", "c", "r", "m", *"123456"]
    assert CONSOLE_TEXTS.text("none_to_merge", "id") in found


BOX = [100, 100, 40, 30]


def test_what_is_offered_to_merge_is_of_the_same_site_and_likely_first(stage: Stage) -> None:
    dump(stage, "c-0", 0, box=BOX)
    dump(stage, "c-near-elsewhere", 5, box=[300, 100, 40, 30])
    dump(stage, "c-same", 20, box=[120, 90, 40, 30])
    dump(stage, "c-later", 45, box=BOX)
    dump(stage, "c-rejected", 1, box=BOX)
    say(stage, "c-rejected", "rejected", reason="shadow")
    dump(stage, "d-0", 1, "cam-02", box=BOX)
    found = {case.id: case for case in cases(stage.context())}
    offers = merge_offers(found["c-0"], found.values())
    assert [case.id for case in offers] == ["c-same", "c-near-elsewhere", "c-later"]
    assert [is_likely_same(found["c-0"], case) for case in offers] == [True, False, False]
    assert is_likely_same(found["c-0"], msgspec.structs.replace(found["c-same"], box=[]))


def test_the_cameras_page_is_careful_with_few_verdicts(stage: Stage) -> None:
    dump(stage, "c-1", 30)
    say(stage, "c-1", "rejected", reason="person_standing")
    stage.happen("cam-05", "blind", at=NOW - timedelta(hours=3), reason="covered")
    stage.happen("cam-06", "blind", at=NOW - timedelta(hours=3), reason="<tape>")
    day = date(2026, 3, 1)
    for lang in LANGS:
        found = cameras_page._table(page_context(stage, lang), camera_reports(stage.context(), day))
        for words in (
            CONSOLE_TEXTS.text("too_few", lang),
            CONSOLE_TEXTS.text("reason_person_standing", lang),
            CONSOLE_TEXTS.text("blind_covered", lang),
        ):
            assert words in found
        assert "&lt;tape&gt;" in found
        assert found.index("cam-01") < found.index("cam-02")
        assert 'href="/camera/cam-01/zones"' in found
    assert "/zones" not in cameras_page._table(page_context(stage, role="viewer"), camera_reports(stage.context(), day))


def test_the_zone_editor_has_its_words_and_its_picture(stage: Stage) -> None:
    camera = CITY.cameras["cam-01"]
    assert CONSOLE_TEXTS.text("no_still", "id") in zones_page._editor(page_context(stage), camera)
    path = still_path(stage.folder, "cam-01")
    path.parent.mkdir()
    path.write_bytes(b"jpeg")
    found = zones_page._editor(page_context(stage, "en"), camera)
    assert '<img src="/api/v1/cameras/cam-01/still"' in found
    config = zones_page._config(page_context(stage, "en"), camera)
    assert config["texts"]["fault_crossing"] == CONSOLE_TEXTS.text("fault_crossing", "en")
    assert {kind["kind"] for kind in config["kinds"]} == set(zones_page.COLOURS)


def at(clock: str, day: int = 3) -> datetime:
    return datetime.fromisoformat(f"2026-03-0{day}T{clock}+08:00")


@pytest.mark.parametrize(
    ("site", "moment", "words"),
    [
        ("tps-oebobo", at("12:00"), "No waste may be put out now, until 3 Mar 2026 17:00 WITA."),
        ("tps-oebobo", at("20:00"), "Waste may be put out now, until 4 Mar 2026 05:00 WITA."),
        ("tps-oebobo", at("04:59:59"), "Waste may be put out now, until 3 Mar 2026 05:00 WITA."),
        ("tps-oebobo", at("05:00:00"), "No waste may be put out now, until 3 Mar 2026 17:00 WITA."),
        ("tps-liliba", at("17:30"), "No waste may be put out now, until 3 Mar 2026 18:00 WITA."),
        ("tps-liliba", at("05:30"), "Waste may be put out now, until 3 Mar 2026 06:00 WITA."),
    ],
)
def test_the_hours_in_force_and_their_next_change_are_told(
    stage: Stage, site: str, moment: datetime, words: str
) -> None:
    assert hours_now(page_context(stage, "en"), CITY.hours_at(site), moment) == words


def test_dates_that_are_different_are_told_ahead(stage: Stage) -> None:
    hours = replace(
        CITY.hours["default"], exceptions={date(2026, 3, 4): (), date(2026, 3, 9): (ALL_DAY,), date(2027, 1, 1): ()}
    )
    city = replace(CITY, hours={**CITY.hours, "default": hours})
    context = stage.context(now=at("20:00"))
    seen = PageContext(replace(context, inventory=city), "id", identity_with("viewer"))
    found = hours_box(seen, "tps-oebobo")
    assert "4 Mar 2026: tutup" in found
    assert "9 Mar 2026: sepanjang hari" in found
    assert "2027" not in found
    assert hours_now(seen, hours, at("06:00", 4)) == "Sekarang dilarang membuang sampah, sampai 5 Mar 2026 17:00 WITA."


def test_a_merged_case_leads_to_the_other(stage: Stage) -> None:
    dump(stage, "c-1")
    dump(stage, "c-2", 5)
    say(stage, "c-1", "merged", into="c-2")
    assert 'href="/dumping?case=c-2"' in card_of(stage, page_context(stage), case="c-1")


def test_the_page_on_cameras_names_what_there_is() -> None:
    page_ = (Path(__file__).parents[3] / "docs" / "cameras.md").read_text(encoding="utf-8")
    assert [kind for kind in ZONE_KINDS if f"| {kind} |" not in page_] == []
    assert [word for word in (*REASONS, *get_args(Verdict)) if f"`{word}`" not in page_] == []
