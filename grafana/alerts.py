"""Alert rules: query, pending period, contact point, and the state for no data and for errors.

The queries have neither macros of Grafana nor `$`, which provisioning expands as environment variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from city.i18n.catalogue import DASHBOARD_TEXTS, DEFAULT_LANG, LANGS
from grafana.context import DATASOURCE_TYPE, DATASOURCE_UID, DashboardContext
from grafana.dashboard import DashboardSpec, panel_ids
from grafana.dashboards.dispatch import DISPATCH
from grafana.dashboards.dumping import DUMPING
from grafana.dashboards.fleet import FLEET
from grafana.dashboards.platform import DEAD_SHARE_PCT, PLATFORM_HEALTH
from grafana.dashboards.wifi import WIFI
from grafana.influxql import Select, call, differs, equals, recent
from grafana.measurements import ALARM_FLAG, DUMPING_CASE, PLATFORM
from grafana.messages import names_of_sites
from grafana.queries import NOW, NOW_PLATFORM
from grafana.theme import LAG_ALARM_S

FOLDER_UID: Final = "kota-id"
EXPRESSION: Final = "__expr__"
GRAFANA_VERSION: Final = "12.4.2"
"""The version for which files are built unless another one is named; that of `docker-compose.yml`."""

_DEVICE: Final = ("city", "device", "kelurahan", "label", "site")

Team = Literal["dispatch", "network"]
Meaning = Literal["OK", "NoData", "Alerting", "Error", "KeepLast"]


class Rule(msgspec.Struct, frozen=True):
    """One alert rule. It has an instance per series of its query, which fires while the last value exceeds `above`.

    `every`: evaluation interval. `pending`: pending period. `keep`: how long it keeps firing after recovery. `link` and
    `picture`: paths of the console.
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
    dashboard: DashboardSpec
    panel: str
    window_s: int = 900
    link: str = "/"
    picture: str = ""


def _flag(flag: str) -> Select:
    """The last value of a flag per device that has or lately had it; the zero of a recovered device resolves its alert.

    One instance is of no device and always zero. Without it, no answer could mean that all is well.
    """
    return Select((call("last", "value").alias(flag),), ALARM_FLAG, (equals("flag", flag), NOW), by=_DEVICE)


# Where rules about devices get no answer, nothing of any device is known, and what was wrong is still wrong: alarms
# stay as they are. The rule about lag says that nothing is known. Eight alarms for it would bury that one.
_ONE_FAULT: Final[Meaning] = "KeepLast"
_KEEPS_LAST_SINCE: Final = 11
"""First major version of Grafana with `KeepLast`; an older one refuses to start with it."""

_DEVICE_PAGE: Final = "/device/{{ .Labels.device }}"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "fire",
        _flag("fire"),
        above=0,
        every="1m",
        pending="0s",  # a fire does not wait
        keep="5m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="dispatch",
        severity="critical",
        dashboard=DISPATCH,
        panel="dispatch.worst",
        link=_DEVICE_PAGE,
    ),
    Rule(
        "overflow",
        _flag("overflow"),
        above=0,
        every="5m",
        pending="30m",  # a truck may be there already, and sensors see an open lid as full
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="dispatch",
        severity="warning",
        dashboard=DISPATCH,
        panel="dispatch.worst",
        link=_DEVICE_PAGE,
    ),
    Rule(
        "breakdown",
        _flag("breakdown"),
        above=0,
        every="1m",
        pending="1m",
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="dispatch",
        severity="critical",
        dashboard=FLEET,
        panel="fleet.timeline",
        link=_DEVICE_PAGE,
    ),
    Rule(
        "silent",
        _flag("silent"),
        above=0,
        every="5m",
        pending="10m",
        keep="10m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="network",
        severity="warning",
        dashboard=PLATFORM_HEALTH,
        panel="platform.silent_devices",
        link=_DEVICE_PAGE,
    ),
    Rule(
        "hotspot",
        _flag("hotspot"),
        above=0,
        every="1m",
        pending="5m",  # a restart takes three
        keep="5m",
        no_data=_ONE_FAULT,
        on_error=_ONE_FAULT,
        team="network",
        severity="warning",
        dashboard=WIFI,
        panel="wifi.history",
        link=_DEVICE_PAGE,
    ),
    Rule(
        "dumping",
        Select(
            (call("sum", "open").alias("open"),),
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
        dashboard=DUMPING,
        panel="dumping.evidence",
        link="/dumping",
        picture="/dumping?site={{ .Labels.site }}",
        window_s=7 * 86_400,
    ),
    Rule(
        "lag",
        Select((call("last", "live_lag_s").alias("live_lag_s"),), PLATFORM, (NOW_PLATFORM,), by=("city", "service")),
        above=LAG_ALARM_S,
        every="1m",
        pending="2m",
        keep="5m",
        no_data="Alerting",  # ingest that says nothing for a minute is down
        on_error="Alerting",  # so is a database that does not answer
        team="network",
        severity="critical",
        dashboard=PLATFORM_HEALTH,
        panel="platform.lag",
        link="/system",
        window_s=300,
    ),
    Rule(
        "dead",
        Select(
            ((call("sum", "dead") * 100 / call("sum", "received")).alias("dead_pct"),),
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
        dashboard=PLATFORM_HEALTH,
        panel="platform.dead",
        link="/system",
    ),
)


def rule_groups(
    context: DashboardContext, rules: Sequence[Rule] = RULES, *, grafana: str = GRAFANA_VERSION
) -> list[dict[str, Any]]:
    """The rules in the form of provisioning files: one group per evaluation interval. `grafana`: its version."""
    return [
        {
            "orgId": 1,
            "name": f"kota-{every}",
            "folder": context.t("common.folder"),
            "interval": every,
            "rules": [rule_of(rule, context, grafana) for rule in rules if rule.every == every],
        }
        for every in sorted({rule.every for rule in rules})
    ]


def rule_of(rule: Rule, context: DashboardContext, grafana: str = GRAFANA_VERSION) -> dict[str, Any]:
    """One rule as JSON. It links to the dashboard in the context's language; its texts are in both languages."""
    dashboard_uid = rule.dashboard.uid(context.lang)
    panel_id = panel_ids(rule.dashboard, context)[context.t(f"{rule.panel}.title")]
    return {
        "uid": f"kota-{rule.key}",
        "title": DASHBOARD_TEXTS.in_all(f"alerts.{rule.key}.title"),
        "condition": "C",
        "data": [_query(rule), _reduce_expression(), _threshold_expression(rule.above)],
        "dashboardUid": dashboard_uid,
        "dasboardUid": dashboard_uid,  # as Grafana 9 spells it
        "panelId": panel_id,
        "noDataState": _meaning(rule.no_data, grafana),
        "execErrState": _meaning(rule.on_error, grafana),
        "for": rule.pending,
        "keepFiringFor": rule.keep,
        "annotations": {
            **_texts(rule, context),
            "link": context.public_url + rule.link,
            **({"picture": context.public_url + rule.picture} if rule.picture else {}),
            "__dashboardUid__": dashboard_uid,
            "__panelId__": str(panel_id),
        },
        "labels": {"team": rule.team, "severity": rule.severity},
        "isPaused": False,
    }


def _meaning(meaning: Meaning, grafana: str) -> Meaning:
    """The state for no data or an error; without `KeepLast`, alarms that are on end while the database is away."""
    major = grafana.split(".", maxsplit=1)[0]
    knows = not major.isdigit() or int(major) >= _KEEPS_LAST_SINCE
    return meaning if knows or meaning != "KeepLast" else "OK"


def _texts(rule: Rule, context: DashboardContext) -> dict[str, str]:
    """Summary and instructions in both languages. Labels use the template form without `$`."""
    values = {"label": "{{ .Labels.label }}", "site": names_of_sites(context.city, "site")}
    texts = {}
    for lang in LANGS:
        ending = "" if lang == DEFAULT_LANG else f"_{lang}"
        texts[f"summary{ending}"] = DASHBOARD_TEXTS.text(f"alerts.{rule.key}.summary", lang, **values)
        texts[f"description{ending}"] = DASHBOARD_TEXTS.text(f"alerts.{rule.key}.todo", lang)
    return texts


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


def _reduce_expression() -> dict[str, Any]:
    """The expression that takes the last value of each series; series without values are dropped."""
    settings = {"mode": "dropNN"}
    return _expression("B", {"type": "reduce", "reducer": "last", "expression": "A", "settings": settings})


def _threshold_expression(above: float) -> dict[str, Any]:
    evaluator = {"type": "gt", "params": [above]}
    return _expression("C", {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]})


def _expression(ref_id: str, model: dict[str, Any]) -> dict[str, Any]:
    shared = {"refId": ref_id, "datasource": {"type": EXPRESSION, "uid": EXPRESSION}}
    window = {"from": 0, "to": 0}
    return {"refId": ref_id, "relativeTimeRange": window, "datasourceUid": EXPRESSION, "model": {**shared, **model}}
