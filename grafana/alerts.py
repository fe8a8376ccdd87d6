"""Alert rules: what is asked, how long it must hold, who is told, and what no answer or an error means.

A rule asks without macros of Grafana and without `$`, which provisioning would take for variables of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from grafana.asked import NOW, NOW_FIGURES
from grafana.board import Board, panel_ids
from grafana.boards.dispatch import DISPATCH
from grafana.boards.dumping import DUMPING
from grafana.boards.fleet import FLEET
from grafana.boards.platform import DEAD_SHARE_PCT, PLATFORM_HEALTH
from grafana.boards.wifi import WIFI
from grafana.house import DATASOURCE_TYPE, DATASOURCE_UID, LAG_ALARM_S, House
from grafana.influxql import Condition, Select, at_least, call, differs, equals, plain, recent
from grafana.measurements import DEVICE_STATE, DUMPING_CASE, PLATFORM
from grafana.words import LANGS, text

FOLDER_UID: Final = "kota-id"
EXPRESSION: Final = "__expr__"
_WHERE: Final = ("city", "device", "kelurahan", "site")

Team = Literal["dispatch", "network"]
Meaning = Literal["OK", "NoData", "Alerting", "Error"]


class Rule(msgspec.Struct, frozen=True):
    """One alert rule: an instance per series of its query, alarmed when the last value is above `above`.

    `every` how often it is asked, `pending` how long it must hold, `keep` how long it stays after it has ended.
    """

    key: str
    query: Select
    above: float
    every: Literal["1m", "5m"]
    pending: str
    keep: str
    no_data: Meaning
    on_error: Meaning
    team: Team
    severity: Literal["critical", "warning"]
    board: Board
    panel: str
    window_s: int = 900


def _flag(kind: str, flag: str) -> Select:
    """A flag of every device of a kind, also of those that are well: their series ends an alarm."""
    return Select((call("last", flag).named(flag),), DEVICE_STATE, (equals("kind", kind), NOW), by=_WHERE)


def _silent() -> Select:
    """Devices that were heard before: what was never put up is no trouble."""
    heard: tuple[Condition, ...] = (at_least("severity", 0),)
    columns = (call("last", "silent").named("silent"), *plain("severity"))
    latest = Select(columns, DEVICE_STATE, (NOW,), by=(*_WHERE, "kind"))
    return Select(plain("silent"), latest, heard, by=(*_WHERE, "kind"))


# Where rules about devices get no answer at all, nothing of any device is known: that is one fault, and the rule about
# lag speaks of it. Eight alarms for it would bury the one that says what is wrong. The same for errors.
_ONE_FAULT: Final[Meaning] = "OK"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "fire",
        _flag("bin", "fire"),
        above=0,
        every="1m",
        pending="0s",  # a fire does not wait
        keep="5m",
        no_data=_ONE_FAULT,
        on_error="Error",  # whoever relies on this rule must hear that it cannot see
        team="dispatch",
        severity="critical",
        board=DISPATCH,
        panel="dispatch.worst",
    ),
    Rule(
        "overflow",
        _flag("bin", "overflow"),
        above=0,
        every="5m",
        pending="30m",  # a truck may be there already, and sensors see an open lid as full
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="dispatch",
        severity="warning",
        board=DISPATCH,
        panel="dispatch.worst",
    ),
    Rule(
        "breakdown",
        _flag("truck", "broken"),
        above=0,
        every="1m",
        pending="1m",
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="dispatch",
        severity="critical",
        board=FLEET,
        panel="fleet.timeline",
    ),
    Rule(
        "silent",
        _silent(),
        above=0,
        every="5m",
        pending="10m",
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="network",
        severity="warning",
        board=PLATFORM_HEALTH,
        panel="platform.silent_devices",
    ),
    Rule(
        "hotspot",
        _flag("ap", "down"),
        above=0,
        every="1m",
        pending="5m",  # a restart takes three
        keep="5m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="network",
        severity="warning",
        board=WIFI,
        panel="wifi.history",
    ),
    Rule(
        "dumping",
        Select(
            (call("sum", "open").named("open"),),
            DUMPING_CASE,
            # Also cases that are over or rejected: their zero ends an alarm.
            (differs("state", "within_hours"), recent("7d")),
            by=("city", "kelurahan", "site"),
        ),
        above=0,
        every="1m",
        pending="0s",  # the camera worker has watched the waste for a while before it says so
        keep="5m",
        no_data="OK",  # no case in a week is how it should be
        on_error=_ONE_FAULT,
        team="dispatch",
        severity="warning",
        board=DUMPING,
        panel="dumping.evidence",
        window_s=7 * 86_400,
    ),
    Rule(
        "lag",
        Select((call("last", "live_lag_s").named("live_lag_s"),), PLATFORM, (NOW_FIGURES,), by=("city", "service")),
        above=LAG_ALARM_S,
        every="1m",
        pending="2m",
        keep="5m",
        no_data="Alerting",  # ingest that says nothing for five minutes is down
        on_error="Alerting",  # so is a database that does not answer
        team="network",
        severity="critical",
        board=PLATFORM_HEALTH,
        panel="platform.lag",
        window_s=300,
    ),
    Rule(
        "dead",
        Select(
            ((call("sum", "dead") * 100 / call("sum", "received")).named("dead_pct"),),
            PLATFORM,
            (recent("15m"),),
            by=("city", "service"),
        ),
        above=DEAD_SHARE_PCT,
        every="1m",
        pending="5m",
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="network",
        severity="warning",
        board=PLATFORM_HEALTH,
        panel="platform.dead",
    ),
)


def rule_groups(house: House, rules: Sequence[Rule] = RULES) -> list[dict[str, Any]]:
    """The rules as provisioning files have them, a group for each of the two rhythms."""
    return [
        {
            "orgId": 1,
            "name": f"kota-{every}",
            "folder": house.t("common.folder"),
            "interval": every,
            "rules": [rule_of(rule, house) for rule in rules if rule.every == every],
        }
        for every in sorted({rule.every for rule in rules})
    ]


def rule_of(rule: Rule, house: House) -> dict[str, Any]:
    """One rule; boards are linked in the house's language, texts are in both."""
    dashboard_uid = rule.board.uid(house.lang)
    panel_id = panel_ids(rule.board, house)[house.t(f"{rule.panel}.title")]
    titles = [text(f"alerts.{rule.key}.title", lang) for lang in LANGS]
    return {
        "uid": f"kota-{rule.key}",
        "title": " / ".join(titles),
        "condition": "C",
        "data": [_query(rule), _reduced(), _judged(rule.above)],
        "dashboardUid": dashboard_uid,
        "dasboardUid": dashboard_uid,  # as Grafana 9 spells it
        "panelId": panel_id,
        "noDataState": rule.no_data,
        "execErrState": rule.on_error,
        "for": rule.pending,
        "keepFiringFor": rule.keep,
        "annotations": {
            **_texts(rule.key),
            "console": house.public_url,
            "__dashboardUid__": dashboard_uid,
            "__panelId__": str(panel_id),
        },
        "labels": {"team": rule.team, "severity": rule.severity},
        "isPaused": False,
    }


def _texts(key: str) -> dict[str, str]:
    """Summary and what to do in both languages; labels in the form that needs no `$`."""
    labels = {name: f"{{{{ .Labels.{name} }}}}" for name in ("device", "kelurahan", "site")}
    found = {}
    for lang, ending in zip(LANGS, ("", "_en"), strict=True):
        found[f"summary{ending}"] = text(f"alerts.{key}.summary", lang, **labels)
        found[f"description{ending}"] = text(f"alerts.{key}.todo", lang)
    return found


def _query(rule: Rule) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": rule.window_s, "to": 0},
        "datasourceUid": DATASOURCE_UID,
        "model": {
            "refId": "A",
            "datasource": {"type": DATASOURCE_TYPE, "uid": DATASOURCE_UID},
            "query": rule.query.text,
            "rawQuery": True,
            "resultFormat": "time_series",
            "intervalMs": 60_000,
            "maxDataPoints": 1_000,
        },
    }


def _reduced() -> dict[str, Any]:
    """The last value of each series; one without a value is as if it were not there."""
    settings = {"mode": "dropNN"}
    return _expression("B", {"type": "reduce", "reducer": "last", "expression": "A", "settings": settings})


def _judged(above: float) -> dict[str, Any]:
    evaluator = {"type": "gt", "params": [above]}
    return _expression("C", {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]})


def _expression(ref_id: str, model: dict[str, Any]) -> dict[str, Any]:
    shared = {"refId": ref_id, "datasource": {"type": EXPRESSION, "uid": EXPRESSION}}
    window = {"from": 0, "to": 0}
    return {"refId": ref_id, "relativeTimeRange": window, "datasourceUid": EXPRESSION, "model": {**shared, **model}}
