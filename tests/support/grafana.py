"""Queries of the committed dashboards and alert rules, with variables and macros filled in as Grafana does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml

PROVISIONING: Final = Path(__file__).parents[2] / "grafana" / "provisioning"

QueryKind = Literal["table", "time_series", "variable", "annotation", "alert"]

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)\]\]|\$(\w+)")
_ESCAPED: Final = re.compile(r"[\\^$*+?.()|\[\]{}/]")
_UNITS_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
_POINTS: Final = 1_000
"""About as many pixels as a panel is wide, which is what Grafana asks for."""


class Raw(str):
    """A value that is inserted as it is: what a variable says for All."""

    __slots__ = ()


Value = str | Sequence[str]


class DashboardQuery(NamedTuple):
    """One query: where it stands, as it is written, and what its answer is for."""

    dashboard: str
    panel: str
    ref: str
    query: str
    kind: QueryKind
    minimum: str = ""
    max_points: int = _POINTS


def dashboards_of(folder: Path = PROVISIONING) -> dict[str, dict[str, Any]]:
    """Every dashboard by language and key, `id/dispatch` for instance."""
    files = sorted((folder / "dashboards").glob("*/*.json"))
    return {f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8")) for path in files}


def rules_of(folder: Path = PROVISIONING) -> list[dict[str, Any]]:
    """Every alert rule."""
    found = yaml.safe_load((folder / "alerting" / "rules.yaml").read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def queries_of(folder: Path = PROVISIONING) -> list[DashboardQuery]:
    """Every query of every panel, variable and alert rule."""
    found: list[DashboardQuery] = []
    for name, dashboard in dashboards_of(folder).items():
        found += _of_panels(name, dashboard["panels"])
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                found.append(DashboardQuery(name, variable["label"], variable["name"], variable["query"], "variable"))
        for note in dashboard["annotations"]["list"]:
            found.append(DashboardQuery(name, note["name"], "Anno", note["query"], "annotation"))
    for rule in rules_of(folder):
        asked = (part for part in rule["data"] if part["datasourceUid"] != "__expr__")
        found += [
            DashboardQuery("alerts", rule["title"], part["refId"], part["model"]["query"], "alert") for part in asked
        ]
    return found


def _of_panels(name: str, panels: Sequence[dict[str, Any]]) -> Iterator[DashboardQuery]:
    for panel in panels:
        for target in panel.get("targets", []):
            yield DashboardQuery(
                name,
                panel["title"] or panel["fieldConfig"]["defaults"].get("displayName", ""),
                target["refId"],
                target["query"],
                target["resultFormat"],
                panel.get("interval", ""),
                int(panel.get("maxDataPoints", _POINTS)),
            )


def defaults_of(dashboard: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a dashboard's variables as it opens."""
    found: dict[str, Value] = {}
    for variable in dashboard["templating"]["list"]:
        value = variable["current"]["value"]
        is_all = value == "$__all" or "$__all" in value
        found[variable["name"]] = Raw(variable["allValue"]) if is_all else value
    return found


def span_s(dashboard: Mapping[str, Any]) -> float:
    """Length of a dashboard's own time range in seconds."""
    return duration_s(str(dashboard["time"]["from"]).removeprefix("now-"))


def duration_s(text: str) -> float:
    """`5m` in seconds."""
    number = text.rstrip("msdh")
    return float(number) * _UNITS_S[text.removeprefix(number)]


def interval_of(span: float, query: DashboardQuery) -> str:
    """What `$__interval` is for a query over so many seconds: a round step, no more points than are wanted."""
    least = max(span / query.max_points, duration_s(query.minimum) if query.minimum else 1)
    return f"{next((step for step in _STEPS_S if step >= least), _STEPS_S[-1])}s"


def substitute(query: str, start: datetime, end: datetime, interval: str, variables: Mapping[str, Value]) -> str:
    """A query as the data source sends it.

    Raises:
        KeyError: It names a variable that is not given.
    """
    first, last = (int(at.timestamp() * 1000) for at in (start, end))
    macros: dict[str, Value] = {
        "timeFilter": Raw(f"time >= {first}ms and time <= {last}ms"),
        "__interval": Raw(interval),
        "__interval_ms": Raw(str(int(duration_s(interval) * 1000))),
        "__from": Raw(str(first)),
        "__to": Raw(str(last)),
    }
    known = {**variables, **macros}

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[3] or match[4]
        return _formatted(known[name], match[2] or "")

    return _VARIABLE.sub(fill, query.replace("$/", "\0")).replace("\0", "$/")


def _formatted(value: Value, form: str) -> str:
    if isinstance(value, Raw):
        return str(value)
    if form == "regex":
        escaped = [_escape(part) for part in ([value] if isinstance(value, str) else value)]
        return escaped[0] if isinstance(value, str) or len(escaped) == 1 else f"({'|'.join(escaped)})"
    return value if isinstance(value, str) else ",".join(value)


def _escape(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\\" + match[0], text)
