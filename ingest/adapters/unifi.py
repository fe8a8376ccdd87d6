"""UniFi controllers: the bodies of their API, which somebody fetches and publishes.

Topic `unifi/{site}/device` (`stat/device`), `.../sta` (`stat/sta`), `.../rogueap` (`stat/rogueap`), `.../event`.
An access point is named by its MAC address. Clients are counted per access point, and named as keyed hashes in
sessions alone. Source: the controller's API as its own web pages use it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from broker.contract.errors import PayloadError
from ingest.adapters.port import (
    Happening,
    Heard,
    Hint,
    Personal,
    Presence,
    mapping_at,
    objects_at,
    parse_any_time,
    parse_number,
    present,
    text_at,
)
from ingest.adapters.wifi import alone, crowd, listed, normal_mac, whole

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
"""Gateways with radios are something else, and have wired clients too."""
_BETWEEN: Final = ("downlink", "uplink", "mesh")
_CHANGED_CLIENTS: Final = "sta:sync"
"""What the controller's websocket sends when clients change: those alone, so that nobody can be counted."""
_KEPT: Final = (
    *("mac", "name", "model", "type", "state", "last_seen", "num_sta", "uptime", "rx_bytes", "tx_bytes"),
    *("system-stats", "radio_table_stats", "version", "macAddress", "adopted", "disabled"),
)
_CLIENT_KEPT: Final = ("ap_mac", "essid", "signal", "last_seen", "is_wired")
_AP_EVENTS: Final = {
    "EVT_AP_Connected": Presence("online", past=True),
    "EVT_AP_Lost_Contact": Presence("offline", "lost", past=True),
    "EVT_AP_Disconnected": Presence("offline", "lost", past=True),
}
_SESSIONS: Final = {
    "EVT_WU_Connected": "raised",
    "EVT_WG_Connected": "raised",
    "EVT_WU_Disconnected": "cleared",
    "EVT_WG_Disconnected": "cleared",
}


class UniFi:
    """Devices become readings and presence, clients are counted, events become events."""

    name = "unifi"
    filters = ("unifi/+/device", "unifi/+/sta", "unifi/+/rogueap", "unifi/+/event")

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "unifi" and len(levels) == 3 and levels[2] in _SORTS  # noqa: PLR2004 - with site and sort

    def decode(self, topic: str, payload: bytes) -> list[Heard]:
        """One record per access point.

        Raises:
            PayloadError: Not the controller's JSON.
        """
        sort, answer = topic.rpartition("/")[2], listed(payload)
        if answer.message == _CHANGED_CLIENTS:
            return []
        if sort == "device" and answer.elements and not any(_mac(one) for one in answer.elements):
            raise PayloadError("none of its devices has a `mac`")
        return list(_SORTS[sort](answer.elements))


def _devices(elements: Sequence[Mapping[str, Any]]) -> Iterator[Heard]:
    for one in elements:
        mac = _mac(one)
        if not mac or not (text_at(one, "type") in _ACCESS_POINT or one.get("radio_table_stats")):
            continue
        at = parse_any_time(one.get("last_seen"))
        gone = _gone(one)
        yield Heard(
            names=tuple(name for name in (mac, text_at(one, "name")) if name),
            at=at,
            key=f"device/{mac}".encode(),
            known={} if gone else _figures(one),
            presence=Presence("offline", gone) if gone else None,
            hint=Hint(model=text_at(one, "model"), label=text_at(one, "name")),
            raw=alone(one, _KEPT),
        )


def _mac(one: Mapping[str, Any]) -> str:
    return normal_mac(text_at(one, "mac") or text_at(one, "macAddress"))


def _gone(one: Mapping[str, Any]) -> str:
    """Why it is not there, empty when it is."""
    state = one.get("state")
    if one.get("adopted") is False:
        return "not adopted"
    if one.get("disabled") is True:
        return "disabled"
    if isinstance(state, str) and not state.isdigit():
        return "" if state.upper() == _ONLINE else state.lower()
    number = whole(state)
    return "" if number is None or number == _CONNECTED else _STATES.get(number, f"state {number}")


def _figures(one: Mapping[str, Any]) -> dict[str, Any]:
    radios = list(objects_at(one, "radio_table_stats"))
    networks = [vap for vap in objects_at(one, "vap_table") if _serves_clients(vap)]
    by_band: Counter[str] = Counter()
    by_ssid: Counter[str] = Counter()
    for radio in radios:
        by_band[_BANDS.get(text_at(radio, "radio"), text_at(radio, "radio") or "?")] += whole(radio.get("num_sta")) or 0
    for network in networks:
        by_ssid[text_at(network, "essid") or "?"] += whole(network.get("num_sta")) or 0
    busy = [share for radio in radios if (share := parse_number(radio.get("cu_total"))) is not None]
    load = mapping_at(one, "system-stats")
    return present(
        clients=whole(one.get("num_sta")) if text_at(one, "type") in _ACCESS_POINT else sum(by_ssid.values()),
        clients_by_radio=dict(by_band) or None,
        clients_by_ssid=dict(by_ssid) or None,
        channel_busy_pct=max(busy, default=None),
        signal_dbm=_mean_signal(networks),
        rx_bytes=whole(one.get("rx_bytes")),
        tx_bytes=whole(one.get("tx_bytes")),
        cpu_pct=parse_number(load.get("cpu")),
        memory_pct=parse_number(load.get("mem")),
        uptime_s=whole(one.get("uptime")),
    )


def _serves_clients(vap: Mapping[str, Any]) -> bool:
    """Whether a network is one that people use: access points also talk to each other."""
    return bool(text_at(vap, "essid")) and text_at(vap, "usage").lower() not in _BETWEEN


def _mean_signal(networks: Sequence[Mapping[str, Any]]) -> float | None:
    """Over all clients, from the mean of each network; 0 is a network without any."""
    heard = [(parse_number(one.get("avg_client_signal")), whole(one.get("num_sta")) or 0) for one in networks]
    counted = [(dbm, count) for dbm, count in heard if dbm is not None and dbm < 0 and count]
    total = sum(count for _, count in counted)
    return round(sum(dbm * count for dbm, count in counted) / total, 1) if total else None


def _clients(elements: Sequence[Mapping[str, Any]]) -> Iterator[Heard]:
    by_ap: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in elements:
        if text_at(one, "ap_mac") and one.get("is_wired") is not True:
            by_ap[normal_mac(text_at(one, "ap_mac"))].append(one)
    for mac, clients in by_ap.items():
        times = [at for one in clients if (at := parse_any_time(one.get("last_seen")))]
        yield Heard(
            names=(mac,),
            at=max(times, default=None),
            key=f"sta/{mac}".encode(),
            known=crowd(clients, "essid", "signal"),
            raw=alone(clients[0], _CLIENT_KEPT),
        )


def _rogues(elements: Sequence[Mapping[str, Any]]) -> Iterator[Heard]:
    """Foreign access points that an own one sees under an own name, or that the controller calls rogue."""
    for one in elements:
        seer = text_at(one, "ap_mac")
        if not seer or one.get("is_rogue") is not True:
            continue
        detail = present(
            ssid=text_at(one, "essid"),
            channel=whole(one.get("channel")),
            signal_dbm=parse_number(one.get("signal")),
            bssid=Personal(text_at(one, "bssid")),
        )
        at = parse_any_time(one.get("last_seen") or one.get("report_time"))
        key = f"rogue/{text_at(one, 'bssid')}".encode()
        yield Heard(
            names=(normal_mac(seer),),
            at=at,
            key=key,
            events=(Happening("rogue_ap", "noted", detail),),
            raw=alone(one, ("ap_mac", "is_rogue", "essid", "channel", "signal", "last_seen", "bssid")),
        )


def _events(elements: Sequence[Mapping[str, Any]]) -> Iterator[Heard]:
    # The controller lists the newest first; who came and went is told in the order it happened.
    for one in sorted(elements, key=lambda one: parse_number(one.get("time")) or 0.0):
        key, seer = text_at(one, "key"), text_at(one, "ap")
        if not seer:
            continue  # of a switch, a gateway or a wired client
        at = parse_any_time(one.get("time")) or parse_any_time(one.get("datetime"))
        presence = _AP_EVENTS.get(key)
        happened = tuple(_happened(key, one))
        if presence or happened:
            yield Heard(
                names=tuple(name for name in (normal_mac(seer), text_at(one, "ap_name")) if name),
                at=at,
                key=f"{key}/{text_at(one, '_id')}".encode(),
                presence=presence,
                events=happened,
                raw=alone(
                    one,
                    ("key", "ap", "ap_name", "time", "datetime", "_id", "ssid", "duration", "bytes", "user", "guest"),
                ),
            )


def _happened(key: str, one: Mapping[str, Any]) -> Iterator[Happening]:
    if key.startswith("EVT_AP_Restarted"):
        yield Happening("reboot", "noted")
    elif key in _SESSIONS:
        who = text_at(one, "user") or text_at(one, "guest")
        detail = present(
            client=Personal(who) if who else None,
            ssid=text_at(one, "ssid"),
            duration_s=whole(one.get("duration")),
            bytes=whole(one.get("bytes")),
        )
        yield Happening("session", _SESSIONS[key], detail)  # type: ignore[arg-type]
    elif "Rogue" in key:
        yield Happening("rogue_ap", "noted", present(ssid=text_at(one, "essid") or text_at(one, "ssid") or None))


_SORTS: Final = {"device": _devices, "sta": _clients, "rogueap": _rogues, "event": _events}
