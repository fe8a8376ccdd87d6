"""What is used of a hotspot: traffic by the hour as bars, and its users by network name and radio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.bar_chart import Bar, bar_chart
from api.console.parts.chart import ChartRange
from api.console.parts.markup import join, table, tag
from city.inventory.model import Device
from ingest.store.port import Latest, SeriesPoint, SeriesQuery

HOUR_S: Final = 3_600.0
_BYTES_OF_KBPS: Final = 1_000 / 8
_MEGABYTE: Final = 1e6
_GROUPS: Final = ("clients_by_ssid", "clients_by_radio")


class HourOfTraffic(NamedTuple):
    """Bytes that went to users and came from them within an hour."""

    at: datetime
    down: float
    up: float


def traffic_by_hour(down: Sequence[SeriesPoint], up: Sequence[SeriesPoint]) -> list[HourOfTraffic]:
    """Traffic from means of rates in kbit/s by the hour; an hour without either is absent."""
    rates: dict[datetime, list[float]] = {}
    for index, points in enumerate((down, up)):
        for point in points:
            rates.setdefault(point.at, [0.0, 0.0])[index] = float(point.value)
    factor = HOUR_S * _BYTES_OF_KBPS
    return [HourOfTraffic(at, rate[0] * factor, rate[1] * factor) for at, rate in sorted(rates.items())]


def traffic_chart(page: PageContext, device: Device, range_: ChartRange, end: datetime) -> Markup:
    """The traffic of a hotspot as a bar for each hour, to its users and from them."""
    # What it sends (tx) goes to its users.
    down, up = (
        page.context.reader.series(SeriesQuery(device.id, field, end - range_.length, end, HOUR_S))
        for field in ("tx_kbps", "rx_kbps")
    )
    bars = [
        Bar(
            hour.at,
            (("down", hour.down / _MEGABYTE), ("up", hour.up / _MEGABYTE)),
            page.t("traffic_words", down=page.bytes(hour.down), up=page.bytes(hour.up)),
        )
        for hour in traffic_by_hour(down, up)
    ]
    signs = (("down", "traffic_down"), ("up", "traffic_up"))
    legend = tag("p", *(join([tag("i", class_=sign), page.t(key), " "]) for sign, key in signs), class_="bar-legend")
    return bar_chart(page, page.t("traffic_per_hour"), bars, timedelta(seconds=HOUR_S), range_, end, legend)


def users_by_group(page: PageContext, latest: Latest | None) -> Markup:
    """Users by network name and by radio, as the hotspot last said."""
    now, parts = page.context.clock(), []
    for field in _GROUPS:
        known = latest.values.get(field) if latest else None
        counts = _counts(known.value) if known else {}
        if not known or not counts:
            continue
        most = max(1, *counts.values())
        rows = [(name, _bar(page, count, most)) for name, count in sorted(counts.items(), key=lambda pair: -pair[1])]
        heading = tag("h3", page.t(field), " ", tag("small", page.age(known.measured_at, now)))
        parts.append(join([heading, table([page.t(f"{field}_name"), page.t("clients")], rows, narrow="keep")]))
    if not parts:
        return tag("p", page.t("none"), class_="empty")
    return join(parts)


def _counts(value: object) -> dict[str, int]:
    """Counts by name, which stores keep as JSON; nothing if they are not that."""
    try:
        return msgspec.json.decode(value, type=dict[str, int]) if isinstance(value, str) else {}
    except msgspec.MsgspecError:
        return {}


def _bar(page: PageContext, count: int, most: int) -> Markup:
    drawn = tag(
        "svg", tag("rect", width=f"{100 * count / most:.0f}%", height="100%"), class_="bar low", aria_hidden="true"
    )
    return join([drawn, tag("span", page.number(count))], " ")
