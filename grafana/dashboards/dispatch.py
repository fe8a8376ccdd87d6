"""Dispatch: full bins, positions of trucks, and open cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import (
    IN_RANGE,
    INTERVAL,
    Select,
    at_least,
    call,
    equals,
    matches_variables,
    mean_5m,
    plain,
    recent,
)
from grafana.layout import Row, equal
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.measurements import BIN_AREA_5M, DUMPING_CASE, EVENT
from grafana.panels import stat, table, text_panel, time_series
from grafana.queries import KNOWN_PLACE, city_sum, devices
from grafana.targets import Target
from grafana.theme import ANY_IS_BAD, ANY_IS_WARN, CALM, CALM_STEPS, GOOD, GOOD_STEPS
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "site", "waste_kind")
WASTE_COLOURS: Final = {"organic": "#c9a227", "non_organic": "#3f9c5a"}
"""Like the containers: yellow for organic, green for non-organic waste."""

BINS_ON_MAP: Final = Markers(
    "bin",
    devices(
        ("bin",),
        *("device", "name", "kelurahan", "state", "fill_pct", "reason", "heard_at", "urgency", LATITUDE, LONGITUDE),
        filter_by=NAMES,
        conditions=(KNOWN_PLACE,),
    ),
    size_px=5,
)
TRUCKS_ON_MAP: Final = Markers(
    "truck",
    devices(
        ("truck",),
        *("device", "name", "state", "speed_kmh", "reason", "fix_at", "urgency", LATITUDE, LONGITUDE),
        conditions=(KNOWN_PLACE,),
    ),
    size_px=9,
    labelled=True,
)
_WORST: Final = devices(
    ("bin",),
    *("device", "name", "kelurahan", "state", "fill_pct", "reason", "since", "heard_at", "urgency"),
    filter_by=NAMES,
    conditions=(at_least("severity", 1),),
)
_TRUCKS: Final = devices(
    ("truck",),
    *("device", "name", "state", "fix_at", "speed_kmh", "trip_since", "trip_km", "fuel_pct", "reason", "detail"),
    "urgency",
)
_OPEN_CASES: Final = Select(
    plain("picture", "site_name", "kelurahan", "since", "hours", "page"),
    DUMPING_CASE,
    (equals("open", 1), recent("30d"), *matches_variables("city", "kelurahan", "site")),
)
_FILL: Final = Select(
    (mean_5m("fill_pct").alias("fill_pct"),),
    BIN_AREA_5M,
    (IN_RANGE, *matches_variables("city", "kelurahan", "waste_kind")),
    by=("waste_kind",),
    every=INTERVAL,
    fill="null",
)
_COLLECTIONS: Final = Select(
    (call("count", "state").alias("count"),),
    EVENT,
    # A truck or a bin says it, whichever can; a truck's place is its depot.
    (equals("type", "collected"), IN_RANGE, *matches_variables("city")),
    by=("kind",),
    every="1h",
    fill="0",
)


def _rows(context: DashboardContext) -> Sequence[Row]:
    waste = {code: (f"waste_kind.{code}", colour) for code, colour in WASTE_COLOURS.items()}
    return [
        equal(
            4,
            stat(context, "dispatch.full", city_sum("bins_full"), steps=ANY_IS_WARN),
            stat(context, "dispatch.fires", city_sum("fires"), steps=ANY_IS_BAD),
            stat(context, "dispatch.on_route", city_sum("trucks_on_route", ("city",)), steps=CALM_STEPS),
            stat(context, "dispatch.broken", city_sum("trucks_broken", ("city",)), steps=ANY_IS_BAD),
            stat(context, "dispatch.open_cases", city_sum("open_cases"), steps=ANY_IS_WARN),
            stat(context, "dispatch.collected", city_sum("collected_today"), steps=GOOD_STEPS),
        ),
        [
            (
                13,
                [
                    (16, city_map(context, "dispatch.map", [BINS_ON_MAP, TRUCKS_ON_MAP])),
                    (2, text_panel(context, "dispatch.legend")),
                ],
            ),
            (11, [(18, table(context, "dispatch.worst", _WORST, kinds=["bin"], order=["fill_pct", "urgency"]))]),
        ],
        [
            (14, [(11, table(context, "dispatch.trucks", _TRUCKS, kinds=["truck"], order=["-name", "urgency"]))]),
            (10, [(11, table(context, "dispatch.cases", _OPEN_CASES, order=["-since"], tall=True))]),
        ],
        equal(
            8,
            time_series(
                context,
                "dispatch.fill",
                [Target(_FILL, "$tag_waste_kind")],
                unit="percent",
                styles=waste,
                limits=(0, 100),
            ),
            time_series(
                context,
                "dispatch.collections",
                [Target(_COLLECTIONS, "$tag_kind")],
                styles={"truck": ("dispatch.collections.truck", GOOD), "bin": ("dispatch.collections.bin", CALM)},
                every="1h",
                bars=True,
            ),
        ),
    ]


DISPATCH: Final = DashboardSpec("dispatch", _rows, NAMES, span="24h", refresh="10s")
