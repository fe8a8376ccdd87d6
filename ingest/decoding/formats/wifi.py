"""Helpers shared by the Wi-Fi controllers' formats: MAC addresses, bands, and client counts without names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from city.errors import PayloadError
from city.inventory.addresses import normal_mac
from ingest.decoding.formats.parsing import (
    check_elements,
    json_value,
    mapping_at,
    parse_any_time,
    parse_number,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import DeviceReport

_EXACT_MAX: Final = 1 << 64
"""Counters have up to 64 bits; an integer below needs no conversion."""
_LIST_PATHS: Final = (("data",), ("result", "data"), ("result", "clients"), ("result",))


class ControllerAnswer(msgspec.Struct, frozen=True):
    """A controller's answer: its objects, its message, and the total over all pages.

    `is_complete`: it is an answer, not a push message, has no other page, and every element of it is an object.
    """

    elements: list[dict[str, Any]]
    message: str = ""
    total: int | None = None
    is_complete: bool = False


def parse_list(payload: bytes) -> ControllerAnswer:
    """The objects of a controller's answer: the list itself, or under `data`, `result.data` or `result`.

    Raises:
        PayloadError: It reports an error, there is no list, or it is too long.
    """
    body = json_value(payload)
    if isinstance(body, list):
        objects = [element for element in check_elements(body) if isinstance(element, dict)]
        # A bare empty list is also what a script makes of an answer that it could not read.
        return ControllerAnswer(objects, is_complete=len(objects) == len(body) > 0)
    if not isinstance(body, dict):
        raise PayloadError("neither an object nor a list of objects")
    meta = mapping_at(body, "meta")
    code = text_at(meta, "rc") if "rc" in meta else text_at(body, "errorCode")
    if code not in ("", "ok", "0"):
        raise PayloadError(f"the controller answered {code}: {text_at(meta, 'msg') or text_at(body, 'msg')}")
    listed = next((value for path in _LIST_PATHS if isinstance(value := _get_path(body, path), list)), None)
    if not isinstance(listed, list):
        raise PayloadError("no list of objects under `data`, `result.data` or at the top")
    elements = [element for element in check_elements(listed) if isinstance(element, dict)]
    message, total = text_at(meta, "message"), _total(body, meta)
    is_complete = not message and len(elements) == len(listed) and (total is None or total <= len(listed))
    return ControllerAnswer(elements, message, total, is_complete)


def _total(body: Mapping[str, Any], meta: Mapping[str, Any]) -> int | None:
    for total in (mapping_at(body, "result").get("totalRows"), body.get("totalCount"), meta.get("count")):
        if total is not None and (count := parse_count(total)) is not None:
            return count
    return None


def require_all_pages(answer: ControllerAnswer) -> None:
    """Refuse one page of several: a part of the clients is not how many there are.

    Raises:
        PayloadError: There are further pages.
    """
    if answer.total is not None and answer.total > len(answer.elements):
        raise PayloadError(f"a part only, {len(answer.elements)} of {answer.total}: ask with a larger `pageSize`")


class ClientKeys(msgspec.Struct, frozen=True):
    """Names of a controller's keys in a client's object; `wired` says how the client is connected."""

    access_point: str
    ssid: str
    signal: str
    last_seen: str
    wired: str


def client_reports(
    clients: Iterable[Mapping[str, Any]], topic: str, keys: ClientKeys, key_prefix: str, *, is_complete: bool
) -> Iterator[DeviceReport]:
    """A report for each access point that serves clients, and one that says that the message is a complete list.

    Args:
        clients: The wireless clients of a message.
        topic: The topic, which names the list.
        keys: The controller's keys.
        key_prefix: Begins the idempotency keys.
        is_complete: Whether the message lists all clients of its site: access points that it does not name have none.
    """
    if is_complete:
        yield DeviceReport(names=(), at=None, key=b"", client_list=topic)
    by_ap: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for client in clients:
        if mac := text_at(client, keys.access_point):
            by_ap[normal_mac(mac)].append(client)
    for mac, served in by_ap.items():
        times = [at for client in served if (at := parse_any_time(client.get(keys.last_seen)))]
        yield DeviceReport(
            names=(mac,),
            at=max(times, default=None),
            key=f"{key_prefix}/{mac}".encode(),
            known=client_summary(served, keys.ssid, keys.signal),
            client_list=topic if is_complete else "",
            raw=single_element(served[0], msgspec.structs.astuple(keys)),
        )


def _get_path(body: Mapping[str, Any], path: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def single_element(element: Mapping[str, Any], keys: Iterable[str]) -> bytes:
    """A body with one element and only some of its keys: controllers add secrets and clients."""
    return msgspec.json.encode({"data": [{key: element[key] for key in keys if key in element}]})


def client_summary(clients: Sequence[Mapping[str, Any]], ssid: str, signal: str) -> dict[str, Any]:
    """Client counts, in all and by SSID, and their mean signal.

    Args:
        clients: One object each.
        ssid: The key of the SSID.
        signal: The key of the signal in dBm.
    """
    report = [dbm for client in clients if (dbm := parse_number(client.get(signal))) is not None and dbm < 0]
    return without_none(
        clients=len(clients),
        clients_by_ssid=dict(Counter(text_at(client, ssid) or "?" for client in clients)),
        signal_dbm=round(sum(report) / len(report), 1) if report else None,
    )


def parse_count(value: object) -> int | None:
    """A count; None when it is not a number or negative."""
    if type(value) is int and 0 <= value < _EXACT_MAX:
        return value
    number = parse_number(value)
    return None if number is None or number < 0 else int(number)
