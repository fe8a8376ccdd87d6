"""Every page of the console with hostile names, labels, reasons and ids: texts stay texts, and readable as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import pytest
from httpx import Client

from api.app import create_app
from city.inventory.model import AccessPoint, Bin, Binding, Camera, City, Device, Truck
from ingest.store.parked.dead_letters import DeadLetter
from ingest.store.parked.quarantine import QuarantinedMessage
from ingest.store.records import Reading, RecordOrigin
from ingest.store.views.health import Damage, ErrorRateAlarm, IngestHealth, LostRange
from ingest.store.views.reviews import Review
from tests.support.pages import Page, read_page
from tests.support.raw_http import served
from tests.unit.api.conftest import CITY, NOW, Stage

MARK: Final = "kotaevil"
CASE: Final = "c-1"
VALUES: Final = {
    "element": f"<script>{MARK}()</script>",
    "attribute": f"\"'><marquee onstart={MARK}()>",
    "end of script": f"</script></style><!--{MARK}--><marquee>`${{{MARK}}}",
    "template": f"{{{{ {MARK} }}}}{{% raw %}}<marquee>",
    "address": f"javascript:{MARK}()//<marquee>",
    "unseen": f"{MARK}\0\x1b[31m\u202e<marquee>\u2066\u200f",
    "long": f"{MARK}<marquee>" * 600,
}
UNSEEN: Final = set("\0\x1b\u202e\u2066\u200f")
PAGES: Final = (
    *("/", "/devices/bin", "/devices/truck", "/devices/ap", "/devices/camera", "/strangers", "/stranger/1", "/system"),
    *(f"/device/{device}" for device in ("bin-0451", "truck-01", "ap-liliba", "cam-01")),
    *(
        "/cameras",
        "/camera/cam-01/zones",
        "/dumping?show=all",
        f"/dumping?case={CASE}",
        "/events",
        "/outages",
        "/search?q=bin-045",
    ),
)
OURS: Final = frozenset(
    [
        "a",
        "article",
        "b",
        "body",
        "br",
        "button",
        "circle",
        "code",
        "datalist",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "g",
        "h1",
        "h2",
        "h3",
        "head",
        "header",
        "html",
        "i",
        "img",
        "input",
        "kbd",
        "label",
        "legend",
        "li",
        "line",
        "link",
        "main",
        "meta",
        "nav",
        "ol",
        "option",
        "output",
        "p",
        "path",
        "polyline",
        "pre",
        "q",
        "rect",
        "script",
        "section",
        "select",
        "small",
        "span",
        "strong",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "textarea",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
        "video",
    ]
)
"""Elements of the console's pages."""


def hostile_city(value: str) -> City:
    """A small city all of whose names are the value, with a device of each kind whose id is the value as well."""
    named = {id_: hostile_device(CITY.devices[id_], value) for id_ in ("bin-0451", "truck-01", "ap-liliba", "cam-01")}
    devices = {**named, **{f"{id_}{value}": replace(device, id=f"{id_}{value}") for id_, device in named.items()}}
    sites = {id_: replace(site, name=value) for id_, site in CITY.sites.items()}
    kelurahan = {id_: replace(place, name=value) for id_, place in CITY.kelurahan.items()}
    profiles = {id_: replace(profile, name=value) for id_, profile in CITY.profiles.items()}
    return replace(CITY, name=value, sites=sites, kelurahan=kelurahan, profiles=profiles, devices=devices)


def hostile_device(device: Device, value: str) -> Device:
    binding = Binding(value, value, value)
    if isinstance(device, Bin):
        return replace(device, model=value, binding=binding)
    if isinstance(device, Truck):
        return replace(device, plate=value, depot=next(iter(CITY.sites)), binding=binding)
    if isinstance(device, AccessPoint):
        return replace(device, ssids=(value,), model=value, binding=binding)
    assert isinstance(device, Camera)
    return replace(device, binding=binding)


def fill(stage: Stage, value: str) -> None:
    """Everything that senders and people say is the value."""
    origin = RecordOrigin("bin", "bin-0451", "b", 900, NOW, NOW, quality=(value,))
    stage.store.write([Reading(origin, {"fill_pct": 41.0})], ())
    stage.measure("truck-01", fault_codes=value, lat_deg=-10.1, lon_deg=123.6)
    stage.measure("cam-01", scene=value, scene_ok=True)
    stage.measure("ap-liliba", clients=3)
    for device in ("bin-0451", "truck-01", "ap-liliba", "cam-01"):
        stage.happen(device, value)
    stage.happen("cam-01", "blind", reason=value)
    detail = {"since": value, "zone": value, "box": [1, 2, 3, 4], "evidence": {"before": "before.jpg", value: value}}
    stage.happen("cam-01", "dumping", case=CASE, **detail)
    stage.keep(CASE, {"before.jpg": b"\xff\xd8"})
    stage.reviews.submit("cam-01", Review(CASE, "rejected", "other", value[:1_000], "", value[:64]), NOW)
    stage.room.custody.add("looked", CASE, dict.fromkeys(("file", "role", "address", "reason"), value[:900]))
    topic = "kota/v1/kupang/bin/bin-0451/telemetry"
    for number, where in enumerate((topic, value)):
        stage.box.add([DeadLetter(number, where, value.encode(), NOW, value)])
    stage.quarantine.add(
        [QuarantinedMessage(value, (value, "app/x"), value, value.encode(), NOW, model=value, label=value)]
    )
    damages, lost = (Damage(NOW, value, "damaged", value),), (LostRange(value, value, 1, 2),)
    alarms = (ErrorRateAlarm(value, 3, 9),)
    stage.board.publish(IngestHealth(NOW, connected=True, note=value, damages=damages, lost=lost, alarms=alarms))


@pytest.fixture(params=VALUES)
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Client]]:
    """A hostile value, and a client of a city that is full of it."""
    value = VALUES[request.param]
    stage = Stage(tmp_path)
    fill(stage, value)
    context = replace(stage.context(demo=False), inventory=hostile_city(value))
    headers = {"Authorization": f"Bearer {stage.token('administrator')}", "Accept": "text/html"}
    with (
        served(create_app(context)) as port,
        Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client,
    ):
        yield value, client


def faults_of(page: Page) -> list[str]:
    """What of a hostile value works as HTML, or misleads a reader."""
    found = [f"element {tag}" for tag, _ in page.tags if tag == "marquee"]
    for tag, attributes in page.tags:
        found += [
            f"{tag} has {name}" for name in attributes if MARK in (attributes[name] or "") and name.startswith("on")
        ]
        for name in ("href", "src", "action", "data-to"):
            if urlsplit(attributes.get(name) or "").scheme not in ("", "data", "geo", "http"):
                found.append(f"{tag} {name}={attributes[name]}")
        found += [f"{tag}.{name}: unseen" for name, value in attributes.items() if UNSEEN & set(value or "")]
    found += [f"element {tag}" for tag, _ in page.tags if tag not in OURS]
    found += [f"{tag} has {name}" for tag, names in page.tags for name in names if name.startswith("on")]
    found += [f"{tag} has a style" for tag, names in page.tags if "style" in names]
    found += ["a script of its own"] * sum(
        tag == "script" and names.get("type") != "application/json" and "src" not in names for tag, names in page.tags
    )
    return found + ["unseen characters"] * bool(UNSEEN & set(page.text))


def test_a_hostile_value_is_a_text_on_every_page(hostile: tuple[str, Client]) -> None:
    value, client = hostile
    for path in PAGES:
        for lang in ("id", "en"):
            answer = client.get(path + ("&" if "?" in path else "?") + f"lang={lang}")
            assert answer.status_code == 200, path
            page = read_page(answer.text)
            assert faults_of(page) == [], (path, lang)
            readable = "".join("\N{REPLACEMENT CHARACTER}" if char in UNSEEN else char for char in value)
            assert readable[:60] in page.text, path


def test_a_hostile_search_and_language_are_texts(hostile: tuple[str, Client]) -> None:
    value, client = hostile
    value = value[:200]
    for path in (
        "/devices/bin?q=",
        "/devices/truck?kelurahan=",
        "/dumping?camera=",
        "/dumping?case=",
        "/cameras?day=",
        "/search?q=x",
        "/?lang=",
    ):
        answer = client.get(path + quote(value))
        assert answer.status_code == 200, path
        assert faults_of(read_page(answer.text)) == [], path


def test_hostile_addresses_get_a_page_without_them(hostile: tuple[str, Client]) -> None:
    value, client = hostile
    for path in ("/device/", "/devices/", "/camera/", "/stranger/", "/"):
        answer = client.get(path + quote(value[:200], safe=""))
        assert answer.status_code in (400, 404), path
        assert MARK not in answer.text


def test_a_hostile_token_is_not_repeated(hostile: tuple[str, Client]) -> None:
    value, client = hostile
    origin = {"Origin": str(client.base_url).rstrip("/")}
    answer = client.post("/login", data={"name": value[:200], "password": value[:200]}, headers=origin)
    assert (answer.status_code, MARK in answer.text) == (401, False)
