"""Alert rules and who is told of them in a Grafana that is there already, by its provisioning API (since 9.1).

Its own notification policies stay: ours are routes of their own below whatever root it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from city.model import City
from grafana.alerts import FOLDER_UID, rule_groups
from grafana.house import House
from grafana.provision import Choices, contact_points, night, routes
from grafana.remote import LackingError, Part, asked, found, unequal
from grafana.remote_boards import Api

_DURATION: Final = re.compile(r"(\d+)(h|m|s)")
_UNITS_S: Final = {"h": 3600, "m": 60, "s": 1}
_SAME_NAME: Final = ("uid", "title", "condition", "noDataState", "execErrState", "annotations", "labels", "isPaused")


def alert_parts(api: Api, city: City, house: House, choices: Choices) -> list[Part]:
    """Contact points, mute timing, routes and rules, in the order in which they need each other."""
    groups = rule_groups(house)
    return [
        *(_contact_point(api, point) for point in contact_points(choices)),
        _mute_timing(api, night(city)),
        _routes(api, routes()),
        *(_rule(api, rule, str(group["name"])) for group in groups for rule in group["rules"]),
        *(_interval(api, str(group["name"]), seconds(str(group["interval"]))) for group in groups),
    ]


def seconds(duration: str) -> int:
    """`1h5m0s` in seconds; versions of Grafana write the same duration differently."""
    return sum(int(number) * _UNITS_S[unit] for number, unit in _DURATION.findall(duration))


def _contact_point(api: Api, ours: dict[str, Any]) -> Part:
    def differs() -> str:
        listed = asked(api.alertingprovisioning.get_contactpoints)
        theirs = next((point for point in listed if point["uid"] == ours["uid"]), None)
        return "missing" if theirs is None else unequal(ours, theirs)

    def mend() -> None:
        if differs() == "missing":
            asked(lambda: api.alertingprovisioning.create_contactpoint(ours))
        else:
            asked(lambda: api.alertingprovisioning.update_contactpoint(ours["uid"], ours))

    return Part(f"contact point {ours['name']}", differs, mend)


def _mute_timing(api: Api, ours: dict[str, Any]) -> Part:
    name = ours["name"]

    def differs() -> str:
        listed = asked(api.alertingprovisioning.get_mute_timings) or []
        theirs = next((timing for timing in listed if timing["name"] == name), None)
        return "missing" if theirs is None else unequal(ours, theirs)

    def mend() -> None:
        if differs() == "missing":
            asked(lambda: api.alertingprovisioning.create_mute_timing(ours))
        else:
            asked(lambda: api.alertingprovisioning.update_mute_timing(name, ours))

    return Part(f"mute timing {name}", differs, mend)


def _routes(api: Api, ours: Sequence[dict[str, Any]]) -> Part:
    receivers = {route["receiver"] for route in ours}

    def tree() -> dict[str, Any]:
        answer: dict[str, Any] = asked(api.alertingprovisioning.get_notification_policy_tree)
        return answer

    def differs() -> str:
        theirs = [route for route in tree().get("routes") or [] if route.get("receiver") in receivers]
        same = len(theirs) == len(ours) and not any(unequal(o, t) for o, t in zip(ours, theirs, strict=True))
        return "" if same else "routes"

    def mend() -> None:
        root = tree()
        others = [route for route in root.get("routes") or [] if route.get("receiver") not in receivers]
        whole = {**root, "routes": [*ours, *others]}
        whole.pop("provenance", None)
        asked(lambda: api.alertingprovisioning.set_notification_policy_tree(whole))

    return Part("notification routes", differs, mend)


def _rule(api: Api, ours: dict[str, Any], group: str) -> Part:
    uid = ours["uid"]

    def differs() -> str:
        theirs = found(lambda: api.alertingprovisioning.get_alertrule(uid))
        return "missing" if theirs is None else unequal(rule_gist(ours), rule_gist(theirs, like=ours))

    def mend() -> None:
        body = {
            **{name: ours[name] for name in (*_SAME_NAME, "data", "for")},
            "keep_firing_for": ours["keepFiringFor"],
            "folderUID": FOLDER_UID,
            "ruleGroup": group,
            "orgID": 1,
        }
        if differs() == "missing":
            asked(lambda: api.alertingprovisioning.create_alertrule(body))
        else:
            asked(lambda: api.alertingprovisioning.update_alertrule(uid, body))

    return Part(f"alert rule {ours['title']}", differs, mend)


def rule_gist(rule: Mapping[str, Any], like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What makes a rule the same rule; where a version does not know how long to keep firing, that is as `like`."""
    keep = rule.get("keep_firing_for", rule.get("keepFiringFor", (like or {}).get("keepFiringFor", "")))
    models = [part["model"] for part in rule.get("data", [])]
    return {
        **{name: rule.get(name) for name in _SAME_NAME},
        "pending": seconds(str(rule.get("for", ""))),
        "keep firing": seconds(str(keep)),
        "queries": [[model.get(name) for name in ("query", "expression", "reducer")] for model in models],
        "limits": [_limit(model) for model in models],
    }


def _limit(model: Mapping[str, Any]) -> list[Any]:
    return [condition.get("evaluator", {}).get("params") for condition in model.get("conditions", [])]


def _interval(api: Api, name: str, interval_s: int) -> Part:
    """How often a group is asked: rules alone would be asked once a minute."""

    def group() -> dict[str, Any]:
        answer: dict[str, Any] = asked(lambda: api.alertingprovisioning.get_rule_group(FOLDER_UID, name))
        return answer

    def differs() -> str:
        try:
            return "" if group().get("interval") == interval_s else "interval"
        except LackingError:
            return "missing"

    def mend() -> None:
        changed = {**group(), "interval": interval_s}
        asked(lambda: api.alertingprovisioning.update_rule_group(FOLDER_UID, name, changed))

    return Part(f"rule group {name}", differs, mend)
