"""UniFi controllers: responses of their API that a script fetches and publishes.

Topic `unifi/{site}/device` (`stat/device`), `.../sta` (`stat/sta`), `.../rogueap` (`stat/rogueap`), `.../event`.
The name of an access point is its MAC address. Clients are counted per access point; only sessions name them, as keyed
hashes. Source: the controller's API as its own web pages use it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from city.inventory.addresses import normal_mac
from ingest.decoding.formats.parsing import mapping_at, objects_at, parse_any_time, parse_number, text_at, without_none
from ingest.decoding.formats.port import Adapter, AdapterEvent, ConnectivityReport, DeviceReport, Hint, Personal
from ingest.decoding.formats.wifi import (
    ClientKeys,
    ControllerAnswer,
    client_reports,
    parse_count,
    parse_list,
    require_all_pages,
    single_element,
)

_BANDS: Final = {"ng": "2.4GHz", "na": "5GHz", "6e": "6GHz", "ad": "60GHz"}
_CONNECTED: Final = 1
_STATES: Final = {
    0: "disconnected",
    2: "pending",
    4: "upgrading",
    5: "provisioning",
    6: "heartbeat missed",
    7: "adopting",
    9: "adoption error",
    10: "adoption failed",
    11: "isolated",
}
_ONLINE: Final = "ONLINE"
_ACCESS_POINT: Final = ("uap", "")
"""Device types of access points; gateways with radios have wired clients too."""
_BETWEEN: Final = ("downlink", "uplink", "mesh")
_CHANGED_CLIENTS: Final = "sta:sync"
"""Websocket message with changed clients only, which cannot be counted."""
_KEPT: Final = (
    *("mac", "name", "model", "type", "state", "last_seen", "num_sta", "uptime", "rx_bytes", "tx_bytes"),
    *("system-stats", "radio_table_stats", "version", "macAddress", "adopted", "disabled"),
)
_CLIENT_KEYS: Final = ClientKeys("ap_mac", "essid", "signal", "last_seen", "is_wired")
_AP_EVENTS: Final = {
    "EVT_AP_Connected": ConnectivityReport("online", historical=True),
    "EVT_AP_Lost_Contact": ConnectivityReport("offline", "lost", historical=True),
    "EVT_AP_Disconnected": ConnectivityReport("offline", "lost", historical=True),
}
_SESSIONS: Final = {
    "EVT_WU_Connected": "raised",
    "EVT_WG_Connected": "raised",
    "EVT_WU_Disconnected": "cleared",
    "EVT_WG_Disconnected": "cleared",
}


class UniFi:
    """Devices become readings and connectivity reports, clients are counted, events become events."""

    name = "unifi"
    filters = ("unifi/+/device", "unifi/+/sta", "unifi/+/rogueap", "unifi/+/event")
    precedence = 3
    personal_keys: tuple[str, ...] = ("hostname", "user_name", "username", "ip", "last_ip", "fixed_ip", "email")
    lists_clients = True
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "unifi" and len(levels) == 3 and levels[2] in (*_SORTS, "sta")  # noqa: PLR2004 - with site and sort

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One record per access point.

        Raises:
            PayloadError: Not the controller's JSON, or one page of the clients.
        """
        sort, answer = topic.rpartition("/")[2], parse_list(payload)
        if answer.message == _CHANGED_CLIENTS:
            return []
        if sort == "device" and answer.elements and not any(_mac(device) for device in answer.elements):
            raise PayloadError("none of its devices has a `mac`")
        if sort == "sta":
            require_all_pages(answer)
            return list(_clients(topic, answer))
        return list(_SORTS[sort](answer.elements))


def _devices(elements: Sequence[Mapping[str, Any]]) -> Iterator[DeviceReport]:
    for device in elements:
        mac = _mac(device)
        if not mac or not (text_at(device, "type") in _ACCESS_POINT or device.get("radio_table_stats")):
            continue
        at = parse_any_time(device.get("last_seen"))
        offline_reason = _offline_reason(device)
        yield DeviceReport(
            names=tuple(name for name in (mac, text_at(device, "name")) if name),
            at=at,
            key=f"device/{mac}".encode(),
            known={} if offline_reason else _figures(device),
            connectivity=ConnectivityReport("offline", offline_reason) if offline_reason else None,
            hint=Hint(model=text_at(device, "model"), label=text_at(device, "name")),
            raw=single_element(device, _KEPT),
        )


def _mac(device: Mapping[str, Any]) -> str:
    return normal_mac(text_at(device, "mac") or text_at(device, "macAddress"))


def _offline_reason(device: Mapping[str, Any]) -> str:
    """Why the access point is offline; empty when it is online."""
    state = device.get("state")
    if device.get("adopted") is False:
        return "not adopted"
    if device.get("disabled") is True:
        return "disabled"
    if isinstance(state, str) and not state.isdigit():
        return "" if state.upper() == _ONLINE else state.lower()
    number = parse_count(state)
    return "" if number is None or number == _CONNECTED else _STATES.get(number, f"state {number}")


def _figures(device: Mapping[str, Any]) -> dict[str, Any]:
    radios = list(objects_at(device, "radio_table_stats"))
    networks = [vap for vap in objects_at(device, "vap_table") if _serves_clients(vap)]
    by_band: defaultdict[str, int] = defaultdict(int)
    by_ssid: defaultdict[str, int] = defaultdict(int)
    for radio in radios:
        name = text_at(radio, "radio")
        by_band[_BANDS.get(name, name) or "?"] += parse_count(radio.get("num_sta")) or 0
    for network in networks:
        by_ssid[text_at(network, "essid") or "?"] += parse_count(network.get("num_sta")) or 0
    busy = [share for radio in radios if (share := parse_number(radio.get("cu_total"))) is not None]
    load = mapping_at(device, "system-stats")
    return without_none(
        clients=parse_count(device.get("num_sta"))
        if text_at(device, "type") in _ACCESS_POINT
        else sum(by_ssid.values()),
        clients_by_radio=dict(by_band) or None,
        clients_by_ssid=dict(by_ssid) or None,
        channel_busy_pct=max(busy, default=None),
        signal_dbm=_mean_signal(networks),
        rx_bytes=parse_count(device.get("rx_bytes")),
        tx_bytes=parse_count(device.get("tx_bytes")),
        cpu_pct=parse_number(load.get("cpu")),
        memory_pct=parse_number(load.get("mem")),
        uptime_s=parse_count(device.get("uptime")),
    )


def _serves_clients(vap: Mapping[str, Any]) -> bool:
    """Whether a network serves users; access points also have networks among themselves."""
    return bool(text_at(vap, "essid")) and text_at(vap, "usage").lower() not in _BETWEEN


def _mean_signal(networks: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean signal over all clients in dBm, weighted by each network's clients; 0 marks a network without any."""
    report = [
        (parse_number(network.get("avg_client_signal")), parse_count(network.get("num_sta")) or 0)
        for network in networks
    ]
    counted = [(dbm, count) for dbm, count in report if dbm is not None and dbm < 0 and count]
    total = sum(count for _, count in counted)
    return round(sum(dbm * count for dbm, count in counted) / total, 1) if total else None


def _clients(topic: str, answer: ControllerAnswer) -> Iterator[DeviceReport]:
    wireless = [client for client in answer.elements if client.get("is_wired") is not True]
    yield from client_reports(wireless, topic, _CLIENT_KEYS, "sta", is_complete=answer.is_complete)


def _rogues(elements: Sequence[Mapping[str, Any]]) -> Iterator[DeviceReport]:
    """Foreign access points that use one of our SSIDs, or that the controller calls rogue."""
    for access_point in elements:
        seer = text_at(access_point, "ap_mac")
        if not seer or access_point.get("is_rogue") is not True:
            continue
        detail = without_none(
            ssid=text_at(access_point, "essid"),
            channel=parse_count(access_point.get("channel")),
            signal_dbm=parse_number(access_point.get("signal")),
            bssid=Personal(text_at(access_point, "bssid")),
        )
        at = parse_any_time(access_point.get("last_seen") or access_point.get("report_time"))
        key = f"rogue/{text_at(access_point, 'bssid')}".encode()
        yield DeviceReport(
            names=(normal_mac(seer),),
            at=at,
            key=key,
            events=(AdapterEvent("rogue_ap", "noted", detail),),
            raw=single_element(
                access_point, ("ap_mac", "is_rogue", "essid", "channel", "signal", "last_seen", "bssid")
            ),
        )


def _events(elements: Sequence[Mapping[str, Any]]) -> Iterator[DeviceReport]:
    # The controller lists the newest first; who came and went is told in the order it happened.
    for event in sorted(elements, key=lambda event: parse_number(event.get("time")) or 0.0):
        key, seer = text_at(event, "key"), text_at(event, "ap")
        if not seer:
            continue  # of a switch, a gateway or a wired client
        at = parse_any_time(event.get("time")) or parse_any_time(event.get("datetime"))
        connectivity = _AP_EVENTS.get(key)
        events = tuple(_adapter_events(key, event))
        if connectivity or events:
            yield DeviceReport(
                names=tuple(name for name in (normal_mac(seer), text_at(event, "ap_name")) if name),
                at=at,
                key=f"{key}/{text_at(event, '_id')}".encode(),
                connectivity=connectivity,
                events=events,
                raw=single_element(
                    event,
                    ("key", "ap", "ap_name", "time", "datetime", "_id", "ssid", "duration", "bytes", "user", "guest"),
                ),
            )


def _adapter_events(key: str, event: Mapping[str, Any]) -> Iterator[AdapterEvent]:
    if key.startswith("EVT_AP_Restarted"):
        yield AdapterEvent("reboot", "noted")
    elif key in _SESSIONS:
        who = text_at(event, "user") or text_at(event, "guest")
        detail = without_none(
            client=Personal(who) if who else None,
            ssid=text_at(event, "ssid"),
            duration_s=parse_count(event.get("duration")),
            bytes=parse_count(event.get("bytes")),
        )
        yield AdapterEvent("session", _SESSIONS[key], detail)  # type: ignore[arg-type]
    elif "Rogue" in key:
        yield AdapterEvent(
            "rogue_ap", "noted", without_none(ssid=text_at(event, "essid") or text_at(event, "ssid") or None)
        )


_SORTS: Final = {"device": _devices, "rogueap": _rogues, "event": _events}


ADAPTER: Final[Adapter] = UniFi()
