"""What the Wi-Fi controllers' formats share: addresses of equipment, bands, and clients counted and not named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from broker.contract.codec import decode_json
from broker.contract.errors import PayloadError
from ingest.adapters.port import mapping_at, parse_number, present, text_at

_LIST_PATHS: Final = (("data",), ("result", "data"), ("result", "clients"), ("result",))
_decoder: Final = msgspec.json.Decoder(dict[str, Any] | list[Any])
_HEX: Final = frozenset("0123456789abcdef")


def normal_mac(text: str) -> str:
    """A MAC address in lower case with colons; any other text as it is."""
    flat = text.strip().lower().replace(":", "").replace("-", "").replace(".", "")
    if len(flat) != 12 or not _HEX.issuperset(flat):  # noqa: PLR2004 - digits of a MAC address
        return text.strip()
    return ":".join(flat[place : place + 2] for place in range(0, 12, 2))


class Listed(msgspec.Struct, frozen=True):
    """A controller's answer: its objects, what it calls itself, and how many there are on all its pages."""

    elements: list[dict[str, Any]]
    message: str = ""
    total: int | None = None


def listed(payload: bytes) -> Listed:
    """The objects of a controller's answer: the list itself, or under `data`, `result.data` or `result`.

    Raises:
        PayloadError: It tells of an error, or there is no list.
    """
    body = decode_json(_decoder, payload)
    if isinstance(body, list):
        return Listed([one for one in body if isinstance(one, dict)])
    meta = mapping_at(body, "meta")
    code = text_at(meta, "rc") if "rc" in meta else text_at(body, "errorCode")
    if code not in ("", "ok", "0"):
        raise PayloadError(f"the controller answered {code}: {text_at(meta, 'msg') or text_at(body, 'msg')}")
    found = next((one for path in _LIST_PATHS if isinstance(one := _at(body, path), list)), None)
    if not isinstance(found, list):
        raise PayloadError("no list of objects under `data`, `result.data` or at the top")
    elements = [one for one in found if isinstance(one, dict)]
    return Listed(elements, text_at(meta, "message"), whole(mapping_at(body, "result").get("totalRows")))


def _at(body: Mapping[str, Any], path: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    found: Any = body
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def alone(element: Mapping[str, Any], keys: Iterable[str]) -> bytes:
    """A body with one element, and of that only some keys: controllers give out secrets and clients beside them."""
    return msgspec.json.encode({"data": [{key: element[key] for key in keys if key in element}]})


def crowd(clients: Sequence[Mapping[str, Any]], ssid: str, signal: str) -> dict[str, Any]:
    """How many clients there are, on which networks, and how strong they are heard on average.

    Args:
        clients: One object each.
        ssid: The key of the network's name.
        signal: The key of the signal in dBm.
    """
    heard = [dbm for one in clients if (dbm := parse_number(one.get(signal))) is not None and dbm < 0]
    return present(
        clients=len(clients),
        clients_by_ssid=dict(Counter(text_at(one, ssid) or "?" for one in clients)),
        signal_dbm=round(sum(heard) / len(heard), 1) if heard else None,
    )


def whole(value: object) -> int | None:
    """A count; None when it is none."""
    number = parse_number(value)
    return None if number is None or number < 0 else int(number)
