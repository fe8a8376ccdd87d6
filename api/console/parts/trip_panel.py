"""The trip of a truck in the last 24 hours: metrics and stops."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, table, tag
from api.queries.trips import Trip, TripStop, trip_between
from city.inventory.geo import distance_km
from city.inventory.model import Truck

BACK: Final = timedelta(days=1)
STOPS_SHOWN: Final = 20
_AT_SITE_KM: Final = 0.15


def trip_panel(page: PageContext, truck: Truck) -> Markup:
    """The panel of a truck. Reads the store."""
    now = page.context.clock()
    trip = trip_between(page.context, truck, now - BACK, now)
    heading = tag("h2", page.t("trip_of_day"))
    if not trip.positions:
        return join([heading, tag("p", page.t("no_positions"), class_="empty")])
    rows = [_row(page, stop) for stop in reversed(trip.stops[-STOPS_SHOWN:])]
    headings = [page.t(key) for key in ("when", "stood_for", "pto", "place")]
    stops = table(headings, rows, narrow="keep") if rows else Markup()
    return join([heading, tag("dl", *_metrics(page, trip), class_="facts"), stops])


def _metrics(page: PageContext, trip: Trip) -> list[Markup]:
    km = trip.distance_km if trip.odometer_km is None else trip.odometer_km
    metrics = [("driven", f"{page.number(round(km, 1))} km"), ("stops", page.number(len(trip.stops)))]
    if trip.pto_s is not None:
        metrics.append(("pto", page.plural("pto_ran", trip.pto_times or 0, time=page.duration(trip.pto_s))))
    left_out = ", ".join(f"{page.number(count)} {page.word(word)}" for word, count in sorted(trip.left_out.items()))
    if left_out:
        metrics.append(("positions_left_out", left_out))
    return [join([tag("dt", page.t(key)), tag("dd", value)]) for key, value in metrics]


def _row(page: PageContext, stop: TripStop) -> list[object]:
    pto = "-" if not stop.pto_s else page.duration(stop.pto_s)
    return [page.time(stop.start), page.duration((stop.end - stop.start).total_seconds()), pto, _where(page, stop)]


def _where(page: PageContext, stop: TripStop) -> str:
    """The nearest site within `_AT_SITE_KM`, else the coordinates."""
    near = [
        (distance_km(stop.lat_deg, stop.lon_deg, site.lat_deg, site.lon_deg), site.name)
        for site in page.context.city.sites.values()
    ]
    km, name = min(near, default=(_AT_SITE_KM + 1, ""))
    return name if km <= _AT_SITE_KM else f"{stop.lat_deg:.4f}, {stop.lon_deg:.4f}"
