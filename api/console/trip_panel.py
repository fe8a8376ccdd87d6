"""What a truck did in the last day: a few figures, and where it stood."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from api.console.markup import Markup, join, table, tag
from api.console.view import View
from api.trip_routes import trip_between
from api.trips import Stop, Trip
from city.geo import distance_km
from city.model import Truck

BACK: Final = timedelta(days=1)
STOPS_SHOWN: Final = 20
_AT_SITE_KM: Final = 0.15


def trip_panel(view: View, truck: Truck) -> Markup:
    """The panel; asks the store."""
    now = view.context.clock()
    trip = trip_between(view.context, truck, now - BACK, now)
    heading = tag("h2", view.t("trip_of_day"))
    if not trip.positions:
        return join([heading, tag("p", view.t("no_positions"), class_="empty")])
    rows = [_row(view, stop) for stop in reversed(trip.stops[-STOPS_SHOWN:])]
    headings = [view.t(key) for key in ("when", "stood_for", "pto", "place")]
    stops = table(headings, rows, narrow="keep") if rows else Markup()
    return join([heading, tag("dl", *_figures(view, trip), class_="facts"), stops])


def _figures(view: View, trip: Trip) -> list[Markup]:
    km = trip.distance_km if trip.odometer_km is None else trip.odometer_km
    figures = [("driven", f"{view.number(round(km, 1))} km"), ("stops", view.number(len(trip.stops)))]
    if trip.pto_s is not None:
        times = view.number(trip.pto_times or 0)
        figures.append(("pto", view.t("pto_ran", n=times, time=view.duration(trip.pto_s))))
    left_out = ", ".join(f"{view.number(count)} {view.word(word)}" for word, count in sorted(trip.left_out.items()))
    if left_out:
        figures.append(("positions_left_out", left_out))
    return [join([tag("dt", view.t(key)), tag("dd", value)]) for key, value in figures]


def _row(view: View, stop: Stop) -> list[object]:
    pto = "-" if not stop.pto_s else view.duration(stop.pto_s)
    return [view.time(stop.start), view.duration((stop.end - stop.start).total_seconds()), pto, _where(view, stop)]


def _where(view: View, stop: Stop) -> str:
    """The nearest place of the inventory, else the coordinates."""
    near = [
        (distance_km(stop.lat_deg, stop.lon_deg, site.lat_deg, site.lon_deg), site.name)
        for site in view.context.city.sites.values()
    ]
    km, name = min(near, default=(_AT_SITE_KM + 1, ""))
    return name if km <= _AT_SITE_KM else f"{stop.lat_deg:.4f}, {stop.lon_deg:.4f}"
