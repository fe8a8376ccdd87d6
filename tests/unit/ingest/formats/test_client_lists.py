"""Lists of all clients of a site: who is left out has none; another list says nothing of who is left out."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.decoding.results import DecodeResult
from ingest.store.records import Reading
from tests.support.decoding import decoded, device

MAC = "9a:3b:8f:00:00:07"
UNIFI = {"ap_mac": "9a:3b:8f:00:00:08", "essid": "Kota", "signal": -60}
OMADA = {"apMac": "9A-3B-8F-00-00-08", "ssid": "Kota", "wireless": True, "active": True}


def sent(topic: str, body: Any, *, retained: bool = False) -> DecodeResult:
    adapter = topic.split("/", maxsplit=1)[0]
    return decoded(device(adapter, MAC, f"{adapter}-ap"), topic, body, retained=retained)


def absent(result: DecodeResult) -> list[dict[str, Any]]:
    """Values of the readings of access points that the list leaves out."""
    readings = [record for record in result.records if isinstance(record, Reading)]
    return [reading.values for reading in readings if reading.client_list and reading.client_list.is_absent]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("unifi/s/sta", {"meta": {"rc": "ok"}, "data": []}),
        ("unifi/s/sta", {"meta": {"rc": "ok"}, "data": [UNIFI]}),
        ("unifi/s/sta", {"meta": {"rc": "ok"}, "data": [{**UNIFI, "ap_mac": MAC, "is_wired": True}]}),
        ("unifi/s/sta", [UNIFI]),
        ("omada/s/clients", {"errorCode": 0, "result": {"totalRows": 0, "data": []}}),
        ("omada/s/clients", {"errorCode": 0, "result": {"totalRows": 1, "data": [OMADA]}}),
        ("omada/s/clients", {"errorCode": 0, "result": {"data": [{**OMADA, "apMac": MAC, "active": False}]}}),
    ],
)
def test_who_is_left_out_of_a_complete_list_has_no_clients(topic: str, body: Any) -> None:
    assert absent(sent(topic, body)) == [{"clients": 0, "clients_by_ssid": "{}"}]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("unifi/s/sta", {"meta": {"rc": "ok"}, "data": [{**UNIFI, "ap_mac": MAC.upper()}]}),
        ("unifi/s/sta", {"meta": {"rc": "ok", "message": "sta:sync"}, "data": []}),
        ("unifi/s/sta", {"meta": {"rc": "ok", "message": "sta:add"}, "data": [UNIFI]}),
        ("unifi/s/sta", {"meta": {"rc": "ok"}, "data": [UNIFI, None]}),
        ("unifi/s/sta", {"meta": {"rc": "error", "msg": "api.err.LoginRequired"}, "data": []}),
        ("unifi/s/sta", {"meta": {"rc": "ok", "count": 900}, "data": [UNIFI]}),
        ("unifi/s/sta", {"totalCount": 900, "data": [UNIFI]}),
        ("unifi/s/sta", []),
        ("unifi/s/device", {"meta": {"rc": "ok"}, "data": []}),
        ("omada/s/clients", {"errorCode": 0, "result": {"totalRows": 300, "data": [OMADA]}}),
        ("omada/s/clients", {"errorCode": -44112, "msg": "token expired", "result": {"data": []}}),
        ("omada/s/devices", {"errorCode": 0, "result": {"totalRows": 0, "data": []}}),
    ],
)
def test_what_is_no_complete_list_says_nothing_of_who_is_left_out(topic: str, body: Any) -> None:
    assert absent(sent(topic, body)) == []


def test_a_list_that_the_broker_kept_for_nobody_knows_how_long_takes_no_clients_away() -> None:
    assert absent(sent("unifi/s/sta", {"meta": {"rc": "ok"}, "data": []}, retained=True)) == []


def test_a_page_of_several_is_refused() -> None:
    (rejected,) = sent("unifi/s/sta", {"totalCount": 900, "data": [UNIFI]}).rejected
    assert "1 of 900" in rejected.reason
