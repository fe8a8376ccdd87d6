"""Alert rules and notifications in an existing Grafana, over its provisioning API (since 9.1).

Its own notification policies stay: ours are additional routes below its root policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from city.inventory.model import City
from grafana.alerts import FOLDER_UID, rule_groups
from grafana.context import DashboardContext
from grafana.provision import ProvisioningOptions, contact_points, message_template, night, routes
from grafana.remote import Part, UnsupportedError, call_api, diff, get_or_none
from grafana.remote_dashboards import Api

_DURATION: Final = re.compile(r"(\d+)(h|m|s)")
_UNITS_S: Final = {"h": 3600, "m": 60, "s": 1}
_SAME_NAME: Final = ("uid", "title", "condition", "noDataState", "execErrState", "annotations", "labels")


def alert_parts(api: Api, city: City, context: DashboardContext, options: ProvisioningOptions) -> list[Part]:
    """Message templates, contact points, mute timing, routes and rules, in the order of their dependencies."""
    groups = rule_groups(context, grafana=options.grafana_version)
    return [
        _template(api, message_template(city)),
        *(_contact_point(api, point) for point in contact_points(options)),
        _mute_timing(api, night(city)),
        _routes(api, routes()),
        *(_rule(api, rule, str(group["name"])) for group in groups for rule in group["rules"]),
        *(_interval(api, str(group["name"]), seconds(str(group["interval"]))) for group in groups),
    ]


def seconds(duration: str) -> int:
    """A duration such as `1h5m0s`, in seconds; Grafana versions write equal durations differently."""
    return sum(int(number) * _UNITS_S[unit] for number, unit in _DURATION.findall(duration))


def _template(api: Api, ours: dict[str, str]) -> Part:
    name, text = ours["name"], ours["template"]

    def differs() -> str:
        theirs = get_or_none(lambda: api.alertingprovisioning.get_template(name))
        # Grafana cuts blanks at both ends.
        return "missing" if theirs is None else diff({"template": text.strip()}, theirs)

    def apply() -> None:
        call_api(lambda: api.alertingprovisioning.create_or_update_template(name, {"template": text.strip()}))

    return Part(f"message template {name}", differs, apply)


def _contact_point(api: Api, ours: dict[str, Any]) -> Part:
    def differs() -> str:
        listed = call_api(api.alertingprovisioning.get_contactpoints)
        theirs = next((point for point in listed if point["uid"] == ours["uid"]), None)
        return "missing" if theirs is None else diff(ours, theirs)

    def apply() -> None:
        if differs() == "missing":
            call_api(lambda: api.alertingprovisioning.create_contactpoint(ours))
        else:
            call_api(lambda: api.alertingprovisioning.update_contactpoint(ours["uid"], ours))

    return Part(f"contact point {ours['name']}", differs, apply)


def _mute_timing(api: Api, ours: dict[str, Any]) -> Part:
    name = ours["name"]

    def differs() -> str:
        listed = call_api(api.alertingprovisioning.get_mute_timings) or []
        theirs = next((timing for timing in listed if timing["name"] == name), None)
        return "missing" if theirs is None else diff(ours, theirs)

    def apply() -> None:
        if differs() == "missing":
            call_api(lambda: api.alertingprovisioning.create_mute_timing(ours))
        else:
            call_api(lambda: api.alertingprovisioning.update_mute_timing(name, ours))

    return Part(f"mute timing {name}", differs, apply)


def _routes(api: Api, ours: Sequence[dict[str, Any]]) -> Part:
    receivers = {route["receiver"] for route in ours}

    def tree() -> dict[str, Any]:
        answer: dict[str, Any] = call_api(api.alertingprovisioning.get_notification_policy_tree)
        return answer

    def differs() -> str:
        theirs = [route for route in tree().get("routes") or [] if route.get("receiver") in receivers]
        same = [comparable_route(route) for route in ours] == [comparable_route(route) for route in theirs]
        return "" if same else "routes"

    def apply() -> None:
        root = tree()
        others = [route for route in root.get("routes") or [] if route.get("receiver") not in receivers]
        policy_tree = {**root, "routes": [*ours, *others]}
        policy_tree.pop("provenance", None)
        call_api(lambda: api.alertingprovisioning.set_notification_policy_tree(policy_tree))

    return Part("notification routes", differs, apply)


def comparable_route(route: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a route that are compared. Grafana sorts matchers and writes durations in its own way."""
    return {
        "receiver": route.get("receiver"),
        "matchers": sorted(route.get("object_matchers") or []),
        "group by": route.get("group_by") or [],
        "durations": [seconds(str(route.get(name) or "")) for name in ("group_wait", "group_interval")],
        "muted": route.get("mute_time_intervals") or [],
    }


def _rule(api: Api, ours: dict[str, Any], group: str) -> Part:
    uid = ours["uid"]

    def differs() -> str:
        theirs = get_or_none(lambda: api.alertingprovisioning.get_alertrule(uid))
        return "missing" if theirs is None else diff(comparable_rule(ours), comparable_rule(theirs, like=ours))

    def apply() -> None:
        body = {
            **{name: ours[name] for name in (*_SAME_NAME, "data", "for", "isPaused")},
            "keep_firing_for": ours["keepFiringFor"],
            "folderUID": FOLDER_UID,
            "ruleGroup": group,
            "orgID": 1,
        }
        if differs() == "missing":
            call_api(lambda: api.alertingprovisioning.create_alertrule(body))
        else:
            call_api(lambda: api.alertingprovisioning.update_alertrule(uid, body))

    return Part(f"alert rule {ours['title']}", differs, apply)


def comparable_rule(rule: Mapping[str, Any], like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The parts of a rule that are compared. What an older version does not know is taken from `like`."""
    keep = rule.get("keep_firing_for", rule.get("keepFiringFor", (like or {}).get("keepFiringFor", "")))
    models = [part["model"] for part in rule.get("data", [])]
    return {
        **{name: rule.get(name) for name in _SAME_NAME},
        "isPaused": rule.get("isPaused", (like or {}).get("isPaused")),
        "pending": seconds(str(rule.get("for", ""))),
        "keep firing": seconds(str(keep)),
        "queries": [[model.get(name) for name in ("query", "expression", "reducer")] for model in models],
        "limits": [_limit(model) for model in models],
    }


def _limit(model: Mapping[str, Any]) -> list[Any]:
    return [condition.get("evaluator", {}).get("params") for condition in model.get("conditions", [])]


def _interval(api: Api, name: str, interval_s: int) -> Part:
    """The evaluation interval of a rule group; rules pushed alone would be evaluated once a minute."""

    def group() -> dict[str, Any]:
        answer: dict[str, Any] = call_api(lambda: api.alertingprovisioning.get_rule_group(FOLDER_UID, name))
        return answer

    def differs() -> str:
        try:
            return "" if group().get("interval") == interval_s else "interval"
        except UnsupportedError:
            return "missing"

    def apply() -> None:
        changed = {**group(), "interval": interval_s}
        call_api(lambda: api.alertingprovisioning.update_rule_group(FOLDER_UID, name, changed))

    return Part(f"rule group {name}", differs, apply)
