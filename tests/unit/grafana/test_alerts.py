"""The committed alert rules and provisioning files: what each rule says, and that nothing in them stops a Grafana."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from city.inventory.loader import builtin_city, load_city
from grafana.alerts import RULES
from grafana.provision import FOLDER, ProvisioningOptions, files
from ingest.derive.alarm_flags import FLAGS
from tests.support.grafana import dashboards_of, rules_of

CITY = load_city(builtin_city("kupang"))
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
    assert rule["noDataState"] in {"OK", "KeepLast", "Alerting"}
    assert rule["execErrState"] in {"KeepLast", "Alerting"}
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
    loud = {rule["uid"] for rule in COMMITTED if "Alerting" in (rule["noDataState"], rule["execErrState"])}
    assert loud == {"kota-lag"}


def test_alarms_that_are_on_stay_on_while_nothing_is_known() -> None:
    """An alarm of a device does not end because the database is away or ingest has stopped."""
    ended = {rule["uid"] for rule in COMMITTED if rule["execErrState"] == "OK" or rule["noDataState"] == "OK"}
    assert ended == {"kota-dumping"}  # a week without a case is how it should be


def test_an_older_grafana_gets_no_state_it_does_not_know() -> None:
    """Before version 11 a rules file with `KeepLast` stops Grafana at its start."""
    for version, knows in (("9.4.7", False), ("10.4.1", False), ("11.0.0", True), ("12.4.2", True)):
        rules = files(CITY, ProvisioningOptions(grafana_version=version))["alerting/rules.yaml"]
        assert ("KeepLast" in rules) == knows, version


def test_rules_about_devices_have_few_instances() -> None:
    """They ask for flags of devices that have or had trouble, and not for the state of every device."""
    queries = {rule["uid"]: rule["data"][0]["model"]["query"] for rule in COMMITTED}
    of_devices = [f"kota-{flag}" for flag in FLAGS]
    assert all('FROM "alarm_flag"' in queries[uid] for uid in of_devices)
    assert not any("device_state" in query for query in queries.values())


def test_a_critical_alarm_does_not_wait_for_another() -> None:
    """Each truck that breaks down is a message of its own, at once."""
    (policy,) = read("alerting/policies.yaml")["policies"]
    critical = policy["routes"][0]
    assert critical["object_matchers"] == [["severity", "=", "critical"], ["team", "=", "dispatch"]]
    assert (critical["group_by"], critical["group_interval"]) == (["alertname", "device"], "1m")
    assert all(route["object_matchers"] == sorted(route["object_matchers"]) for route in policy["routes"])


@pytest.mark.parametrize("rule", COMMITTED, ids=lambda rule: str(rule["uid"]))
def test_names_as_people_say_them(rule: dict[str, Any]) -> None:
    """Summaries have the plate, or the name of the site, and no id alone; a rule links to a page of the console."""
    for name in ("summary", "summary_en"):
        text = rule["annotations"][name]
        assert ".Labels.device" not in text
        assert ".Labels.kelurahan" not in text
    assert rule["annotations"]["link"].startswith("http://localhost:8080/")
    if rule["uid"] == "kota-dumping":
        assert '{{ if eq .Labels.site "tps-' in rule["annotations"]["summary"]
        assert "TPS Oebobo" in rule["annotations"]["summary"]
        assert rule["annotations"]["picture"]


def test_messages() -> None:
    """Contact points use templates that say what, since when by the city's clock, what to do, and where to look."""
    (group,) = read("alerting/templates.yaml")["templates"]
    text = group["template"]
    for point in read("alerting/contact-points.yaml")["contactPoints"]:
        settings = point["receivers"][0]["settings"]
        for setting in ("subject", "message"):
            (name,) = re.findall(r'template "(kota\.\w+)"', settings[setting])
            assert f'{{{{ define "{name}" }}}}' in text
    assert ".StartsAt.UTC.Add 28800000000000" in text  # eight hours
    for part in ("WITA", "Sejak", "Since", "Yang harus dilakukan", "What to do", ".Annotations.link", ".picture"):
        assert part in text
    assert set(re.findall(r'template "([\w.]+)"', text)) <= set(re.findall(r'define "([\w.]+)"', text))
    # Every block is closed.
    assert len(re.findall(r"{{ (?:define|if|range|with)\b", text)) == len(re.findall(r"{{ end }}", text))


def test_no_variables() -> None:
    """Alert files have no dollar sign, which provisioning would take for a variable and drop."""
    for path in (FOLDER / "alerting").iterdir():
        assert "$" not in path.read_text(encoding="utf-8"), path.name


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
    assert [route["object_matchers"][0] for route in muted] == [["severity", "=", "warning"]]
    assert muted[0]["mute_time_intervals"] == [timing["name"]]
    assert timing["time_intervals"][0]["location"] == "Asia/Makassar"
