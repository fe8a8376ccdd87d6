"""LORIOT: two forms of one uplink."""

from __future__ import annotations

from ingest.store.records import Reading
from tests.support.decoding import decoded, device, values

EUI = "24e124aabbccdd01"


def test_loriot_rx_and_gw_are_one_reading() -> None:
    sensor = device("loriot", EUI, "milesight-em310-udl")
    rx = {"cmd": "rx", "EUI": EUI.upper(), "ts": 1772366340000, "fcnt": 9, "port": 85, "data": "01755C0382E803040000"}
    gw = {**rx, "cmd": "gw", "gws": [{"rssi": -44}]}
    first, second = (decoded(sensor, "loriot/app", body).records[0] for body in ({**rx, "rssi": -50, "bat": 255}, gw))
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert first.origin.seq == second.origin.seq
    assert (first.values["rssi_dbm"], second.values["rssi_dbm"]) == (-50.0, -44.0)
    assert (
        "only `encdata`" in decoded(sensor, "loriot/app", {"cmd": "rx", "EUI": EUI, "encdata": "aa"}).rejected[0].reason
    )


def test_loriot_decodes_within_data() -> None:
    sensor = device("loriot", EUI, "milesight-em310-udl")
    body = {"cmd": "rx", "EUI": EUI, "ts": 1772366400000, "fcnt": 7, "decoded": {"data": {"distance": 1000}}}
    assert values(decoded(sensor, "loriot/bins", body))["distance_mm"] == 1000.0
