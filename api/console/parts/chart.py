"""Charts of a device's fields as SVG: a line with gaps, axes in the language's formats and the city's time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, log10
from typing import Final

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, tag
from broker.contract.units import unit_of
from ingest.store.port import SeriesPoint

WIDTH: Final = 440
HEIGHT: Final = 190
LEFT: Final = 52
RIGHT: Final = 12
TOP: Final = 10
BOTTOM: Final = 26
"""Sizes in units of the drawing, about a pixel each."""
_STEPS_Y: Final = 4
_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_LINE_FROM: Final = 2
"""Points of a line; a single one is a dot."""


@dataclass(frozen=True)
class ChartRange:
    """A time range of charts: its length, the length of its buckets, and the distance of the marks of its axis."""

    key: str
    length: timedelta
    every_s: float
    marks: timedelta


CHART_RANGES: Final = {
    1: ChartRange("hours_24", timedelta(days=1), 600.0, timedelta(hours=6)),
    7: ChartRange("days_7", timedelta(days=7), 3_600.0, timedelta(days=1)),
}
"""By the number of days in the URL."""


@dataclass(frozen=True)
class ChartScale:
    """Places of times and values in the drawing."""

    start: datetime
    length: timedelta
    low: float
    high: float
    step: float

    def x(self, at: datetime) -> float:
        """The place of a time."""
        share = (at - self.start) / self.length
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def chart(page: PageContext, field: str, points: Sequence[SeriesPoint], range_: ChartRange, end: datetime) -> Markup:
    """A field's chart of a range that ends at `end`; the script `chart.js` reads values off it."""
    unit, name = unit_of(field), page.word(field)
    title = f"{name} ({unit})" if unit else name
    if not points:
        return figure_of(title, Markup(), tag("p", page.t("none"), class_="empty"))
    values = [float(point.value) for point in points]
    low, high, step = (0.0, 100.0, 25.0) if unit == "%" else bounds_of(min(values), max(values))
    scale = ChartScale(end - range_.length, range_.length, low, high, step)
    drawn = join([*value_axis(page, scale), *time_axis(page, scale, range_), *_lines(points, scale, range_.every_s)])
    read = [[scale.x(point.at), scale.y(float(point.value)), value_words(page, field, point)] for point in points]
    spoken = f"{title}: {page.value(field, min(values))} - {page.value(field, max(values))}; {read[-1][2]}"
    svg = tag(
        "svg",
        drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=spoken,
        tabindex="0",
        data_chart=msgspec.json.encode(read).decode(),
    )
    return figure_of(title, tag("span", read[-1][2], class_="read"), svg)


def figure_of(title: str, read: Markup, drawing: Markup) -> Markup:
    """A chart with its title, the value that is read off it, and the drawing."""
    return tag("figure", tag("figcaption", tag("b", title), " ", read), drawing, class_="chart", data_key=title)


def value_words(page: PageContext, field: str, point: SeriesPoint) -> str:
    """A point's time and value."""
    local = point.at.astimezone(page.context.city.time_zone)
    return f"{day_words(page, local)} {local:%H:%M}: {page.value(field, float(point.value))}"


def day_words(page: PageContext, local: datetime) -> str:
    """A day without its year."""
    return f"{local.day} {page.t('months').split()[local.month - 1]}"


def bounds_of(low: float, high: float) -> tuple[float, float, float]:
    """Round bounds around values, and the distance of the marks between them."""
    if low == high:
        low, high = low - max(1.0, abs(low) / 10), high + max(1.0, abs(high) / 10)
    size = (high - low) / _STEPS_Y
    unit = 10.0 ** floor(log10(size))
    step = next(nice for nice in _NICE if nice * unit >= size * 0.999) * unit
    return floor(low / step) * step, ceil(high / step) * step, step


def value_axis(page: PageContext, scale: ChartScale) -> Iterator[Markup]:
    """Lines and numbers of the values."""
    digits = max(0, -floor(log10(scale.step)))
    for number in range(round((scale.high - scale.low) / scale.step) + 1):
        value = scale.low + number * scale.step
        y = scale.y(value)
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid")
        yield tag("text", page.number(value, digits), x=LEFT - 6, y=y + 4, text_anchor="end")


def time_axis(page: PageContext, scale: ChartScale, range_: ChartRange) -> Iterator[Markup]:
    """Marks and words of the times."""
    local = scale.start.astimezone(page.context.city.time_zone)
    mark = local.replace(hour=0, minute=0, second=0, microsecond=0)
    is_by_day = range_.marks >= timedelta(days=1)
    while mark <= local + scale.length:
        if mark >= local:
            x = scale.x(mark)
            words = day_words(page, mark) if is_by_day else f"{mark:%H:%M}"
            yield tag("line", x1=x, x2=x, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4, class_="mark")
            yield tag("text", words, x=min(x, WIDTH - 24), y=HEIGHT - 6, text_anchor="middle")
        mark += range_.marks


def _lines(points: Sequence[SeriesPoint], scale: ChartScale, every_s: float) -> Iterator[Markup]:
    """A line for each run of points; where buckets are missing there is none."""
    for run in runs_of(points, every_s):
        places = [(scale.x(point.at), scale.y(float(point.value))) for point in run]
        if len(places) < _LINE_FROM:
            yield tag("circle", cx=places[0][0], cy=places[0][1], r=3)
        else:
            yield tag("polyline", points=" ".join(f"{x},{y}" for x, y in places))


def runs_of(points: Sequence[SeriesPoint], every_s: float) -> list[list[SeriesPoint]]:
    """The points in runs without a missing bucket."""
    runs: list[list[SeriesPoint]] = []
    for point in points:
        if runs and (point.at - runs[-1][-1].at).total_seconds() <= 2 * every_s:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs
