"""Code and catalogues of texts belong together: no key without a text, no text without a use, none elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from api.console.pages.alarms import SHELVES_H
from api.console.pages.audit import FILTERS
from api.console.pages.map import POPUP_WORDS
from api.console.pages.orders import TABS as ORDER_TABS
from api.console.pages.today import TILES
from api.console.pages.zones import EDITOR_WORDS
from api.console.parts.alarm_words import URGENT_KINDS
from api.console.parts.device_columns import STATES
from api.console.parts.dispatch_words import EVIDENCE_DETAILS, FIGURES
from api.console.parts.entry_form import RULE_FIELDS
from api.queries.broker_accounts import PasswordState
from api.queries.day_planner import PLAN_JOB_KINDS
from api.queries.order_story import StepKind
from api.queries.outages import PeriodUnit
from api.queries.queue import SHOWN
from broker.contract.payloads import CREW_EVENT_TYPES, EVENT_TYPES, Scene, fields_of
from broker.contract.topics import KINDS
from city.i18n import catalogue as catalogues
from city.i18n.catalogue import CATALOGUES, CONSOLE_TEXTS, CREW_TEXTS, DASHBOARD_TEXTS, LANGS, Catalogue, Lang
from city.inventory.collection import VehicleClass
from city.inventory.editing.entries import FIELDS_OF
from city.inventory.editing.history import What
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import SiteKind, WasteKind
from city.inventory.units import UNITS
from city.inventory.zones import ZONE_KINDS, FaultCode
from city.runtime.status import NotReadyReason
from dispatch.alarms.errors import AlarmRefusal
from dispatch.alarms.rules import AlarmKind, Priority
from dispatch.alarms.service import AlarmEvent, AlarmState
from dispatch.forecast.reasons import COLLECT_REASONS, GRADES, NO_FORECAST_REASONS
from dispatch.notifications.planning import NotificationKind, NotificationState
from dispatch.orders.records import OrderEvent, OrderKind, OrderState
from dispatch.planning.day import StopCause
from dispatch.planning.differences import ChangeKind, ChangeReason
from dispatch.planning.problem import TravelSource
from dispatch.planning.process import PlanningFailure
from dispatch.shifts.errors import DispatchRefusal
from dispatch.shifts.records import (
    NOT_POSSIBLE_REASONS,
    NotPossibleReason,
    PhoneEventKind,
    RemovedReason,
    ShiftState,
    StopKind,
)
from dispatch.verification.states import EvidenceKind, StopState
from grafana.alerts import RULES, rule_groups
from grafana.columns import COLUMN_STYLES
from grafana.context import DashboardContext
from grafana.dashboard import build
from grafana.dashboards import DASHBOARDS
from grafana.messages import WORDS
from ingest.decoding.drafting.proposals import REASONS as DRAFT_REASONS
from ingest.store import records
from ingest.store.parked.quarantine import UnknownDeviceState
from ingest.store.records import Connectivity
from ingest.store.views.cases import CaseVerdict
from ingest.store.views.health import DamageKind
from ingest.store.views.outages import OutageCause, OutageKind
from ingest.store.views.reviews import REASONS, Verdict
from people.audit import Action
from people.errors import Refusal
from people.rights import GRANTABLE, Role
from tests.support.brokers import ROOT
from vision.detect.port import Heading
from vision.detect.scene import NotArmed
from vision.evidence.custody.chain import Kind

PACKAGES: Final = ("api", "broker", "city", "dispatch", "edge", "grafana", "ingest", "people", "vision")
SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "api": ("api/auth", "api/http"),
    "console": ("api/console",),
    "dashboards": ("grafana",),
    "notifications": ("dispatch/notifications",),
    "forecast": ("dispatch/forecast",),
    "planning": ("dispatch/planning",),
    "report": ("vision/evidence", "api/console/parts/custody_panel.py"),
    "status": ("city/runtime", "city/cli"),
}
"""Where a domain's keys are written."""
ASKS: Final = {"t": "text", "text": "text", "in_all": "text", "plural": "plural", "forms": "plural"}
"""Methods that take a key: whether its text is one without or with plural forms."""
OWNERS: Final[dict[str, dict[str, str]]] = {
    "api": {"page": "console", "self": "console"},
    "grafana": {"context": "dashboards", "self": "dashboards"},
}
"""Objects that hand keys on to a catalogue, by package."""
NAMES: Final = {name: value for name, value in vars(catalogues).items() if isinstance(value, Catalogue)}


def literal(type_: Any, prefix: str = "") -> set[str]:
    return {prefix + value for value in get_args(type_) if value}


EVENT_DETAILS: Final = (
    *("client", "reason", "weight_kg", "lasted_s", "limit_kmh", "by", "foot", "vehicle", "unknown", "verdict", "note"),
    *("in_passing", "heading", "zone", "level"),
)
"""Details of events, and some of their values, that have words."""
COMPUTED: Final[dict[str, set[str]]] = {
    "forecast": {
        *(f"forecast_{reason}" for reason in (*COLLECT_REASONS, *NO_FORECAST_REASONS)),
        *(f"reliability_{grade}" for grade in GRADES),
    },
    "api": {"password_short", "password_long", "password_weak"},
    "console": {
        *KINDS,
        *(field for kind in KINDS for field in fields_of(kind)),
        *(f"event_{name}" for kind in KINDS for name in EVENT_TYPES[kind]),
        *literal(Scene, "scene_"),
        *(f"{unit}{end}" for unit in ("seconds", "minutes", "hours", "days") for end in ("", "_ago")),
        *(value for name, value in vars(records).items() if name.startswith("QUALITY_")),
        *("raised", "cleared", "noted"),
        *("broken", "onRoute", "parked", "outOfService", "yellow", "green", "grey"),
        *("interval_s", "site_name", "adapter", "address", "model", "color", "plate", "depot", "capacity_kg", "ssids"),
        *literal(Connectivity),
        *literal(WasteKind),
        *literal(NotReadyReason, "not_ready_"),
        *literal(FaultCode, "fault_"),
        *literal(CaseVerdict, "verdict_"),
        *literal(UnknownDeviceState, "new_device_"),
        *literal(DamageKind, "damage_"),
        *literal(NotArmed, "blind_"),
        "blind_unknown",
        *(f"reason_{reason}" for reason in REASONS),
        *(f"draft_reason_{reason}" for reason in DRAFT_REASONS),
        *(f"unit_{unit}" for unit in UNITS),
        *(f"zone_{kind}" for kind in ZONE_KINDS),
        *(f"show_{show}" for show in SHOWN if show != "all"),
        *literal(Action, "did_"),
        *literal(Role, "role_"),
        *literal(Refusal, "refused_"),
        *literal(AlarmRefusal, "refused_"),
        *literal(OutageKind, "outage_"),
        *literal(OutageCause, "outage_cause_"),
        *(f"{field}_name" for field in ("clients_by_ssid", "clients_by_radio")),
        *literal(PeriodUnit, "this_"),
        *literal(PeriodUnit, "download_availability_"),
        *literal(DispatchRefusal, "refused_"),
        *literal(StopState, "stop_is_"),
        *literal(EvidenceKind, "evidence_"),
        *(f"evidence_detail_{name}" for name in EVIDENCE_DETAILS),
        *literal(NotPossibleReason, "not_possible_"),
        *literal(ShiftState, "shift_is_"),
        *literal(PhoneEventKind, "tap_"),
        *(f"removed_{reason}" for reason in get_args(RemovedReason) if reason),
        *literal(OrderKind, "order_kind_"),
        *literal(OrderState, "order_is_"),
        *literal(OrderEvent, "order_did_"),
        *(f"orders_{tab}{end}" for tab in ORDER_TABS for end in ("", "_none")),
        *literal(StepKind, "step_"),
        *(f"closed_by_{way}" for way in ("removed", "photo")),
        *(f"figures_{name}" for name in FIGURES),
        *(f"tile_{name}" for name, _ in TILES),
        *(f"decision_{kind}" for kind in ("contradicted", "missed")),
        *(f"planning_{kind}" for kind in PLAN_JOB_KINDS),
        *(f"planning_failed_{why}" for why in ("city", "away", "no_plan")),
        *(f"{key}_none" for key in ("plan_in_force", "plan_proposed")),
        *literal(AlarmKind, "alarm_"),
        *literal(AlarmState, "alarm_is_"),
        *literal(AlarmEvent, "alarm_did_"),
        *literal(Priority, "priority_"),
        *literal(NotificationKind, "notification_"),
        *literal(NotificationState, "delivery_"),
        *(f"detail_{name}" for name in EVENT_DETAILS),
        *(f"is_{state}" for states in STATES.values() for state in states),
        *(f"alarm_shelve_{hours}h" for hours in SHELVES_H),
        *(f"alarm_banner_{kind}" for kind in URGENT_KINDS),
        *(f"right_{right.replace('.', '_')}" for right in GRANTABLE),
        *(f"audit_filter_{name}" for name in FILTERS),
        *(f"admin_field_{name}" for names in (*FIELDS_OF.values(), RULE_FIELDS) for name in names),
        *literal(What, "admin_what_"),
        *(f"admin_{verb}_sure" for verb in ("retire", "remove", "reset")),
        *(f"admin_{name}" for name in ("site", "hours", "alarm")),
        *literal(SiteKind, "site_kind_"),
        *literal(VehicleClass, "vehicle_"),
        *literal(PasswordState, "broker_is_"),
        *(f"broker_{kind}" for kind in ("gateway", "service")),
    },
    "crew": {
        *literal(WasteKind, "stream_"),
        *literal(StopKind, "kind_"),
        *literal(PhoneEventKind, "did_"),
        *(f"reason_{reason}" for reason in NOT_POSSIBLE_REASONS),
        *(f"is_{state}" for state in ("open", "collected", "not_possible", "missed", "contradicted", "landfill")),
        *(f"{alert}{end}" for alert in CREW_EVENT_TYPES for end in ("", "_hint", "_stands", "_over")),
        *(f"refused_{reason}" for reason in ("phone_wrong", "detail_too_long", "reason_missing", "stop_unknown")),
        *("refused_stop_of_others", "refused_event_wrong", "refused_photo_wrong", "refused_other", "language_name"),
        *(f"level_{level_pct}" for level_pct in (25, 50, 75, 100)),
    },
    "notifications": {
        *literal(AlarmKind, "kind_"),
        *literal(AlarmKind, "do_"),
        *literal(Priority, "priority_"),
        *literal(NotificationKind, "title_"),
    },
    "report": {
        *literal(Kind),
        *(f"zone_{kind}" for kind in ("watch", "container", "beside")),
        *(f"by_{way}" for way in ("foot", "vehicle", "unknown")),
        *literal(Heading, "heading_"),
        *literal(Verdict, "verdict_"),
        "verdict_",
        *(
            f"said_{word}"
            for word in ("file", "role", "address", "to", "by", "user", "verdict", "reason", "why", "clear")
        ),
    },
    "planning": {
        *literal(WasteKind, "stream_"),
        *literal(StopCause, "stop_"),
        *literal(ChangeKind, "change_"),
        *literal(ChangeReason, "reason_"),
        *literal(TravelSource, "source_"),
        *literal(PlanningFailure, "failure_"),
    },
    "status": literal(NotReadyReason),
}
"""Keys that the code puts together, by the values that it puts them together from."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        path = ROOT / folder
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def patterns(node: ast.expr) -> list[str]:
    """Regular expressions of the keys that an expression may give; empty if nothing is known of it."""
    match node:
        case ast.Constant(value=str(value)):
            return [re.escape(value)]
        case ast.JoinedStr(values=parts):
            return ["".join("".join(patterns(part)) or ".+" for part in parts)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return ["".join("".join(patterns(part)) or ".+" for part in (left, right))]
        case ast.IfExp(body=body, orelse=orelse):
            return [*patterns(body), *patterns(orelse)]
    return []


def asked(path: Path) -> Iterator[tuple[Catalogue, str, str, int]]:
    """Every call for a text in a module: catalogue, method, pattern of the key, line."""
    owners = OWNERS.get(path.relative_to(ROOT).parts[0], {})
    by_domain = {catalogue.domain: catalogue for catalogue in CATALOGUES}
    for node in ast.walk(tree(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr not in ASKS or not isinstance(node.func.value, ast.Name):
            continue
        owner = node.func.value.id
        catalogue = NAMES.get(owner) or by_domain.get(owners.get(owner, ""))
        if catalogue:
            yield from ((catalogue, node.func.attr, key, node.lineno) for key in patterns(node.args[0]))


def keys_in_templates() -> set[str]:
    """Keys of texts of the API that HTML templates ask for."""
    templates = [path for folder in SOURCES["api"] for path in (ROOT / folder).rglob("templates/*.html")]
    found = [re.findall(r'texts\.\w+\("([^"]+)"', path.read_text(encoding="utf-8")) for path in templates]
    assert sum(map(len, found)) >= 6, "the templates are not found"
    return {key for keys in found for key in keys}


def test_every_key_in_a_template_has_a_text() -> None:
    assert {key for key in keys_in_templates() if key not in Catalogue("api")} == set()


def test_every_key_in_the_code_has_a_text_of_its_kind() -> None:
    wrong, count = [], 0
    for path in modules(*PACKAGES):
        for catalogue, method, pattern, line in asked(path):
            count += 1
            keys = [key for key in catalogue if re.fullmatch(pattern, key)]
            if not any(catalogue.has_forms(key) == (ASKS[method] == "plural") for key in keys):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {catalogue.domain} {pattern}")
    assert wrong == []
    assert count > 250, "the walk has lost the calls"


@pytest.mark.parametrize("domain", COMPUTED)
def test_every_key_that_is_put_together_has_a_text(domain: str) -> None:
    assert COMPUTED[domain] - set(Catalogue(domain)) == set()


@pytest.mark.parametrize("domain", ["api", "console", "forecast", "planning", "report", "status"])
def test_no_text_is_left_over(domain: str) -> None:
    written = {
        node.value
        for path in modules(*SOURCES[domain])
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    shown = written | (keys_in_templates() if domain == "api" else set())
    assert set(Catalogue(domain)) - shown - COMPUTED.get(domain, set()) == set()


class _RecordingContext(DashboardContext):
    """Notes which texts a dashboard asks for."""

    def __init__(self, lang: Lang) -> None:
        super().__init__(lang, load_city(builtin_city("kupang")))
        self.asked: set[str] = set()

    def t(self, key: str, **values: object) -> str:
        self.asked.add(key)
        return super().t(key, **values)

    def codes(self, path: str) -> dict[str, str]:
        codes = super().codes(path)
        self.asked |= {f"{path}.{code}" for code in codes}
        return codes


def test_dashboards_and_rules_show_every_text_of_theirs() -> None:
    context = _RecordingContext("en")
    for dashboard in DASHBOARDS:
        build(dashboard, context)
    rule_groups(context)
    rules = {f"alerts.{rule.key}.{part}" for rule in RULES for part in ("title", "summary", "todo")}
    spans = {f"common.{unit}" for unit in ("minutes", "hours", "days")}
    messages = {f"messages.{name}" for name in WORDS}
    columns = {f"fields.{name}" for name, style in COLUMN_STYLES.items() if not style.hidden}
    assert context.asked | rules | spans | messages | columns | {"kiosk.user"} == set(DASHBOARD_TEXTS)


@pytest.mark.parametrize(
    ("scripts", "pattern", "handed"),
    [
        (("city-map.js",), r"\b(?:t|texts)\.(\w+)|\bmeasure\(\"(\w+)\"", POPUP_WORDS),
        (("zones.js", "zones-draw.js"), r"\.(?:text|tell)\(\s*\"(\w+)\"", EDITOR_WORDS),
    ],
    ids=["map", "zones"],
)
def test_a_script_has_the_texts_that_it_shows(scripts: tuple[str, ...], pattern: str, handed: tuple[str, ...]) -> None:
    source = "\n".join((ROOT / "api/console/static" / name).read_text(encoding="utf-8") for name in scripts)
    shown = {key for groups in re.findall(pattern, source) for key in ([groups] if isinstance(groups, str) else groups)}
    assert len(shown) > 5
    assert shown - {""} - set(handed) == set()
    assert set(handed) - set(CONSOLE_TEXTS) == set()


def test_the_crew_s_app_shows_every_text_of_its_own_and_no_other() -> None:
    folder = ROOT / "api/crew"
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("static/*.js")))
    asked = set(re.findall(r'\.t\("(\w+)"', source))
    templates = (folder / "templates/app.html").read_text(encoding="utf-8")
    asked |= set(re.findall(r'texts\.\w+\("(\w+)"', templates))
    assert len(asked) > 30
    assert (asked | COMPUTED["crew"]) - set(CREW_TEXTS) == set()
    written = asked | set(re.findall(r'"(\w+)"', source))
    assert set(CREW_TEXTS) - written - COMPUTED["crew"] == set()


INDONESIAN_NAMES: Final = frozenset(
    [
        ("api/console/pages/plan.py", "meter"),  # an element of HTML
        ("api/console/static/console.css", "meter"),
        ("api/routes/reports.py", "kamera"),  # the name of a downloaded file
        ("api/schemas.py", "merah"),  # a kelurahan
        ("grafana/provision.py", "jaringan"),  # names of contact points, as they are in installed Grafanas
        ("grafana/provision.py", "malam"),
    ]
)
"""Words of Indonesian texts that are parts of names in the code."""
NO_TEXTS_OF_OURS: Final = re.compile(
    r"city/i18n/|ingest/decoding/formats/\w+/samples/|(city/\w+|ingest/decoding/formats/\w+)/profiles/"
    r"|city/inventory/units\.py|ingest/decoding/drafting/(field_words|states)\.py|vision/models/known\.toml"
)
"""The catalogues, messages of devices, and words that makers use, those of units and of classes among them."""
ALSO_ENGLISH: Final = frozenset({"admin", "basis", "des", "gas", "itu", "operator", "rem", "sen", "status", "tps"})
"""Words and abbreviations that both languages have, kinds of sites, and a unit of CSS."""


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", re.sub(r"`[^`]*`|\{\w*\}", " ", text).lower()))


def words_in(lang: Lang) -> set[str]:
    """All words of all texts of a language."""
    found: set[str] = set()
    for catalogue in CATALOGUES:
        for key in catalogue:
            forms = catalogue.forms(key, lang) if catalogue.has_forms(key) else (catalogue.text(key, lang),)
            found |= {word for form in forms for word in words_of(form)}
    return found


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text: of Python its string literals, of other files their lines without comments."""
    if path.suffix == ".py":
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value
    else:
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield line, re.sub(r"^\s*(#|//).*", "", text)


def test_no_indonesian_text_stands_outside_the_catalogues() -> None:
    """A text in two languages has a word that only Indonesian texts have; no other source has such a word."""
    only_indonesian = words_in("id") - words_in("en") - words_of(" ".join(LANGS.values())) - ALSO_ENGLISH
    assert {"tidak", "belum", "masuk", "sampah", "dan", "layar"} <= only_indonesian
    wrong = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix not in {".py", ".js", ".toml", ".html", ".j2", ".css"} or NO_TEXTS_OF_OURS.match(name):
                continue
            for line, text in strings(path):
                words = {word for word in words_of(text) & only_indonesian if (name, word) not in INDONESIAN_NAMES}
                if words:
                    wrong.append(f"{name}:{line}: {', '.join(sorted(words))}")
    assert wrong == []


def test_every_language_is_named_in_itself() -> None:
    assert set(LANGS) == set(get_args(Lang))
    assert all(LANGS.values())
