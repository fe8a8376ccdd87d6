"""Charts of sums by the hour as stacked bars, and of states as a band; axes as those of the other charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    ChartRange,
    ChartScale,
    bounds_of,
    day_words,
    figure_of,
    time_axis,
    value_axis,
)
from api.console.parts.markup import join, tag

BAND_HEIGHT: Final = 56
_BAND: Final = 24


class Bar(NamedTuple):
    """A bar from a time on: its parts, from below, as pairs of class and value, and what a reader is told."""

    at: datetime
    parts: tuple[tuple[str, float], ...]
    words: str


class Stretch(NamedTuple):
    """A time in which a state held: its class, and what it is called."""

    start: datetime
    end: datetime
    class_: str
    words: str


def bar_chart(
    page: PageContext,
    title: str,
    bars: Sequence[Bar],
    every: timedelta,
    range_: ChartRange,
    end: datetime,
    legend: Markup,
) -> Markup:
    """Stacked bars of a range that ends at `end`, each as wide as `every`; `chart.js` reads values off them."""
    if not bars:
        return figure_of(title, Markup(), tag("p", page.t("none"), class_="empty"))
    highest = max(sum(value for _, value in bar.parts) for bar in bars)
    _, high, step = bounds_of(0.0, highest or 1.0)
    scale = ChartScale(end - range_.length, range_.length, 0.0, high, step)
    drawn = [*value_axis(page, scale), *time_axis(page, scale, range_), *(_rects(bar, every, scale) for bar in bars)]
    read = [[scale.x(bar.at + every / 2), scale.y(sum(v for _, v in bar.parts)), _bar_words(page, bar)] for bar in bars]
    svg = tag(
        "svg",
        join(drawn),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{title}: {read[-1][2]}",
        tabindex="0",
        data_chart=msgspec.json.encode(read).decode(),
    )
    return join([figure_of(title, tag("span", read[-1][2], class_="read"), join([svg, legend]))])


def _bar_words(page: PageContext, bar: Bar) -> str:
    local = bar.at.astimezone(page.context.city.time_zone)
    return f"{day_words(page, local)} {local:%H:%M}: {bar.words}"


def _rects(bar: Bar, every: timedelta, scale: ChartScale) -> Markup:
    left, right = max(scale.x(bar.at), LEFT), min(scale.x(bar.at + every), WIDTH - RIGHT)
    rects, below = [], 0.0
    for class_, value in bar.parts:
        top, bottom = scale.y(below + value), scale.y(below)
        width = max(1.0, round(right - left - 0.6, 1))
        rects.append(tag("rect", x=left, y=top, width=width, height=round(bottom - top, 1), class_=class_))
        below += value
    return join(rects)


def state_band(
    page: PageContext, title: str, stretches: Sequence[Stretch], range_: ChartRange, end: datetime
) -> Markup:
    """The states of a range that ends at `end`, as a band; each part says what it is."""
    scale = ChartScale(end - range_.length, range_.length, 0.0, 1.0, 1.0)
    rects = []
    for stretch in stretches:
        left, right = scale.x(max(stretch.start, scale.start)), scale.x(min(stretch.end, end))
        width = max(1.5, round(right - left, 1))
        rect = tag("rect", tag("title", stretch.words), x=left, y=0, width=width, height=_BAND, class_=stretch.class_)
        rects.append(rect)
    axis = join(time_axis(page, scale, range_))
    lowered = tag("g", axis, transform=f"translate(0 {BAND_HEIGHT - HEIGHT + BOTTOM - 26})")
    svg = tag("svg", join(rects), lowered, viewBox=f"0 0 {WIDTH} {BAND_HEIGHT}", role="img", aria_label=title)
    return tag("figure", tag("figcaption", tag("b", title)), svg, class_="chart band")
