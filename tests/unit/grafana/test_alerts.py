"""The committed alert rules and provisioning files: what each rule says, and that nothing in them stops a Grafana."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from grafana.alerts import RULES
from grafana.provision import FOLDER
from tests.support.grafana import dashboards_of, rules_of

COMMITTED = rules_of()
UIDS = {"fire", "overflow", "breakdown", "silent", "hotspot", "dumping", "lag", "dead"}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def test_all_there() -> None:
    """There is a rule for each trouble the city wants to be told of."""
    assert {rule["uid"] for rule in COMMITTED} == {f"kota-{key}" for key in UIDS}
    assert len(RULES) == len(UIDS)


@pytest.mark.parametrize("rule", COMMITTED, ids=lambda rule: str(rule["uid"]))
def test_whole(rule: dict[str, Any]) -> None:
    """A rule says how long it waits and stays, what no data and errors mean, and who is told, in both languages."""
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert re.fullmatch(r"\d+m", rule["keepFiringFor"])
    assert rule["noDataState"] in {"OK", "NoData", "Alerting"}
    assert rule["execErrState"] in {"OK", "Error", "Alerting"}
    assert rule["labels"]["team"] in {"dispatch", "network"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    for text in ("summary", "description"):
        assert rule["annotations"][text] != rule["annotations"][f"{text}_en"]


@pytest.mark.parametrize("rule", COMMITTED, ids=lambda rule: str(rule["uid"]))
def test_linked(rule: dict[str, Any]) -> None:
    """A rule leads to a panel that is there."""
    dashboard = next(dashboard for dashboard in dashboards_of().values() if dashboard["uid"] == rule["dashboardUid"])
    assert rule["panelId"] in {panel["id"] for panel in dashboard["panels"]}
    assert rule["annotations"]["__dashboardUid__"] == rule["dashboardUid"] == rule["dasboardUid"]
    assert rule["annotations"]["__panelId__"] == str(rule["panelId"])


@pytest.mark.parametrize("rule", COMMITTED, ids=lambda rule: str(rule["uid"]))
def test_form(rule: dict[str, Any]) -> None:
    """A rule asks, reduces and compares, in expressions that Grafana 9.4 knows."""
    asked, reduced, judged = rule["data"]
    assert rule["condition"] == judged["refId"] == "C"
    assert asked["datasourceUid"] == "kota-influx"
    assert (reduced["datasourceUid"], reduced["model"]["type"]) == ("__expr__", "reduce")
    assert (judged["datasourceUid"], judged["model"]["type"]) == ("__expr__", "threshold")
    assert judged["model"]["conditions"][0]["evaluator"]["type"] == "gt"


def test_no_data_is_told_once() -> None:
    """When ingest is down one rule says so, and the others do not bury it."""
    loud = {rule["uid"] for rule in COMMITTED if rule["noDataState"] != "OK"}
    assert loud == {"kota-lag"}


def test_no_variables() -> None:
    """Alert files have no dollar sign, which provisioning would take for a variable and drop."""
    for path in (FOLDER / "alerting").iterdir():
        assert "$" not in path.read_text(encoding="utf-8"), path.name


def test_silent_was_heard() -> None:
    """A device that was never heard of is not reported as gone silent."""
    rule = next(rule for rule in COMMITTED if rule["uid"] == "kota-silent")
    assert '"severity" >= 0' in rule["data"][0]["model"]["query"]


def test_data_source() -> None:
    """Old and new versions find the database, the password is a secret, and dashboards name the same source."""
    (source,) = read("datasources/kota.yaml")["datasources"]
    assert source["uid"] == "kota-influx"
    assert source["database"] == source["jsonData"]["dbName"] == "$KOTA_INFLUX_DATABASE"
    assert source["secureJsonData"] == {"password": "$KOTA_GRAFANA_INFLUX_PASSWORD"}
    assert (source["access"], source["jsonData"]["httpMode"]) == ("proxy", "POST")


def test_folders_of_boards() -> None:
    """A provider for each language reads its folder below the provisioning path."""
    providers = read("dashboards/kota.yaml")["providers"]
    assert [provider["folder"] for provider in providers] == ["Jaga Kota", "Jaga Kota (English)"]
    for provider in providers:
        lang = provider["options"]["path"].removeprefix("${GF_PATHS_PROVISIONING}/dashboards/")
        assert list((FOLDER / "dashboards" / lang).glob("*.json"))
        assert not provider["allowUiUpdates"]


def test_told() -> None:
    """Every route leads to somebody, small trouble of the network waits for the morning by the city's clock."""
    points = {point["name"] for point in read("alerting/contact-points.yaml")["contactPoints"]}
    (policy,) = read("alerting/policies.yaml")["policies"]
    (timing,) = read("alerting/mute-timings.yaml")["muteTimes"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= points
    muted = [route for route in policy["routes"] if route.get("mute_time_intervals")]
    assert [route["object_matchers"][1] for route in muted] == [["severity", "=", "warning"]]
    assert muted[0]["mute_time_intervals"] == [timing["name"]]
    assert timing["time_intervals"][0]["location"] == "Asia/Makassar"
