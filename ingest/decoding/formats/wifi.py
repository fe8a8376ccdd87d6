"""Helpers shared by the Wi-Fi controllers' formats: MAC addresses, bands, and client counts without names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from broker.contract.codec import decode_json
from city.errors import PayloadError
from ingest.decoding.formats.parsing import mapping_at, parse_number, text_at, without_none

_LIST_PATHS: Final = (("data",), ("result", "data"), ("result", "clients"), ("result",))
_decoder: Final = msgspec.json.Decoder(dict[str, Any] | list[Any])
_HEX: Final = frozenset("0123456789abcdef")


def normal_mac(text: str) -> str:
    """A MAC address in lower case with colons; any other text as it is."""
    flat = text.strip().lower().replace(":", "").replace("-", "").replace(".", "")
    if len(flat) != 12 or not _HEX.issuperset(flat):  # noqa: PLR2004 - digits of a MAC address
        return text.strip()
    return ":".join(flat[place : place + 2] for place in range(0, 12, 2))


class ControllerAnswer(msgspec.Struct, frozen=True):
    """A controller's answer: its objects, its message, and the total over all pages."""

    elements: list[dict[str, Any]]
    message: str = ""
    total: int | None = None


def parse_list(payload: bytes) -> ControllerAnswer:
    """The objects of a controller's answer: the list itself, or under `data`, `result.data` or `result`.

    Raises:
        PayloadError: It reports an error, or there is no list.
    """
    body = decode_json(_decoder, payload)
    if isinstance(body, list):
        return ControllerAnswer([element for element in body if isinstance(element, dict)])
    meta = mapping_at(body, "meta")
    code = text_at(meta, "rc") if "rc" in meta else text_at(body, "errorCode")
    if code not in ("", "ok", "0"):
        raise PayloadError(f"the controller answered {code}: {text_at(meta, 'msg') or text_at(body, 'msg')}")
    listed = next((value for path in _LIST_PATHS if isinstance(value := _get_path(body, path), list)), None)
    if not isinstance(listed, list):
        raise PayloadError("no list of objects under `data`, `result.data` or at the top")
    elements = [element for element in listed if isinstance(element, dict)]
    return ControllerAnswer(
        elements, text_at(meta, "message"), parse_count(mapping_at(body, "result").get("totalRows"))
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
    number = parse_number(value)
    return None if number is None or number < 0 else int(number)
