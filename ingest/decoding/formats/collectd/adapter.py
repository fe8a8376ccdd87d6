"""collectd over MQTT: single figures of routers, each on a topic of its own.

Topic `collectd/{host}/{plugin}[-{instance}]/{type}[-{instance}]`, payload `seconds:value[:value]` with a NUL byte at
its end; `U` and `nan` are unknown. By default counters come as rates. Traffic is that of the bridge of the clients
(`br-...`, not `br-wan`), the disk the one that is written (`root`, `overlay`).
Source: collectd, `src/mqtt.c` and `types.db`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.parsing import parse_epoch, parse_number, without_none
from ingest.decoding.formats.port import Adapter, DeviceReport
from ingest.decoding.validation import RATE_MAX_KBPS
from ingest.store.records import QUALITY_INVALID

_LEVELS: Final = 4
_KBPS_PER_BYTE_S: Final = 0.008
_UNKNOWN: Final = ("u", "nan", "-nan")
_DISKS: Final = ("", "root", "overlay")

_RATES: Final = ("rx_kbps", "tx_kbps")

Values = Sequence[float | None]


class Collectd:
    """Each metric that the contract has becomes a reading; others are ignored."""

    name = "collectd"
    filters = ("collectd/+/+/+",)
    precedence = 3
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "collectd" and len(levels) == _LEVELS

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per message, with one value or two.

        Raises:
            PayloadError: Not `seconds:value`.
        """
        _, host, plugin, type_ = topic.split("/")
        at, values = _parse(payload)
        known = _contract_values(plugin, type_, values)
        if not known:
            return []
        # A counter that was not turned into a rate is no rate.
        rates = {name: value for name, value in known.items() if not (name in _RATES and value > RATE_MAX_KBPS)}
        quality = (QUALITY_INVALID,) if len(rates) < len(known) else ()
        return [DeviceReport(names=(host,), at=at, key=f"{plugin}/{type_}".encode(), known=rates, quality=quality)]


def _parse(payload: bytes) -> tuple[Any, Values]:
    try:
        text = payload.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError as exc:
        raise PayloadError(f"not text at byte {exc.start}") from exc
    stamp, *rest = text.split(":")
    at = parse_epoch(stamp)
    values = [None if text_value.strip().lower() in _UNKNOWN else parse_number(text_value) for text_value in rest]
    if at is None or not values:
        raise PayloadError(f"{text[:40]!r} is not `seconds:value`")
    if any(
        value is None and text_value.strip().lower() not in _UNKNOWN
        for value, text_value in zip(values, rest, strict=True)
    ):
        raise PayloadError(f"{text[:40]!r} has a value that is neither a number nor U")
    return at, values


def _contract_values(plugin: str, type_: str, values: Values) -> dict[str, Any]:
    name, _, instance = plugin.partition("-")
    kind, _, part = type_.partition("-")
    reader = _FIGURES.get((name, kind))
    return without_none(**reader(instance, part, values)) if reader else {}


def _clients(radio: str, _part: str, values: Values) -> dict[str, Any]:
    count = values[0]
    return {} if count is None else {"clients_by_radio": {radio: round(count)}}


def _traffic(interface: str, _part: str, values: Values) -> dict[str, Any]:
    if not interface.startswith("br-") or interface == "br-wan" or len(values) != 2:  # noqa: PLR2004 - received and sent
        return {}
    received, sent = (None if value is None else round(value * _KBPS_PER_BYTE_S, 3) for value in values)
    return {"rx_kbps": received, "tx_kbps": sent}


def _dbm(field: str) -> Callable[[str, str, Values], dict[str, Any]]:
    """A reader of a level in dBm; drivers report 0 when they have none."""

    def read(_instance: str, _part: str, values: Values) -> dict[str, Any]:
        return {field: values[0]} if values[0] is not None and values[0] < 0 else {}

    return read


def _disk(mount: str, part: str, values: Values) -> dict[str, Any]:
    return {"disk_pct": values[0]} if mount in _DISKS and part == "used" else {}


def _cpu(_number: str, part: str, values: Values) -> dict[str, Any]:
    share = values[0]
    if share is None or part not in ("active", "idle"):
        return {}
    return {"cpu_pct": share if part == "active" else 100 - share}


def _only(field: str, part: str = "", factor: float = 1.0) -> Callable[[str, str, Values], dict[str, Any]]:
    """A reader of one value; `part` selects one type instance."""

    def read(_instance: str, type_instance: str, values: Values) -> dict[str, Any]:
        number = values[0]
        wanted = number is not None and (not part or type_instance == part)
        return {field: number * factor} if wanted and number is not None else {}

    return read


_FIGURES: Final[dict[tuple[str, str], Callable[[str, str, Values], dict[str, Any]]]] = {
    ("iwinfo", "stations"): _clients,
    ("iwinfo", "signal_noise"): _dbm("noise_dbm"),
    ("iwinfo", "signal_power"): _dbm("signal_dbm"),
    ("interface", "if_octets"): _traffic,
    ("cpu", "percent"): _cpu,
    ("memory", "percent"): _only("memory_pct", "used"),
    ("df", "percent_bytes"): _disk,
    ("ping", "ping"): _only("latency_ms"),
    ("ping", "ping_droprate"): _only("loss_pct", factor=100.0),
    ("uptime", "uptime"): lambda _i, _p, values: {"uptime_s": None if values[0] is None else round(values[0])},
}


ADAPTER: Final[Adapter] = Collectd()
