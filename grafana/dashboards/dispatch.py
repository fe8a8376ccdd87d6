"""Dispatch: full bins, positions of trucks, and open cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.annotations import Annotation
from grafana.columns import STATE_COLOURS
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import (
    IN_RANGE,
    INTERVAL,
    Select,
    at_least,
    call,
    differs,
    equals,
    matches_variables,
    mean_5m,
    plain,
    recent,
)
from grafana.layout import Row, equal
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.measurements import AREA_STATE, BIN_AREA_5M, DUMPING_CASE, EVENT
from grafana.panels import SeriesStyles, legend_panel, stat, table, time_series
from grafana.queries import KNOWN_PLACE, city_sum, devices
from grafana.targets import Target
from grafana.theme import ANY_IS_BAD, ANY_IS_WARN, BAD, CALM, CALM_STEPS, GOOD, GOOD_STEPS, PLAIN, UNKNOWN, WARN
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "site", "waste_kind")
WASTE_COLOURS: Final = {"organic": "#c9a227", "non_organic": "#3f9c5a"}
"""Like the containers: yellow for organic, green for non-organic waste."""

BINS_ON_MAP: Final = Markers(
    "bin",
    devices(
        ("bin",),
        *("name", "device", "kelurahan", "state", "fill_pct", "reason", "heard_at", "urgency", LATITUDE, LONGITUDE),
        filter_by=NAMES,
        conditions=(KNOWN_PLACE,),
    ),
    size_px=5,
)
_TRUCK_COLUMNS: Final = ("name", "device", "state", "speed_kmh", "reason", "fix_at", "urgency", LATITUDE, LONGITUDE)
TRUCKS_ON_MAP: Final = Markers("truck", devices(("truck",), *_TRUCK_COLUMNS, conditions=(KNOWN_PLACE,)), size_px=9)
LABELLED_TRUCKS: Final = Markers(
    "truck",
    # At a depot a dozen of names would lie on each other.
    devices(("truck",), *_TRUCK_COLUMNS, conditions=(KNOWN_PLACE, differs("state", "parked"))),
    size_px=9,
    labelled=True,
)


def _legend(kind: str, *states: str) -> SeriesStyles:
    return {state: (f"states.{kind}.{state}", STATE_COLOURS[kind][state]) for state in states}


BIN_LEGEND: Final[dict[tuple[str, str], SeriesStyles]] = {
    ("kinds.bin", "circle"): _legend("bin", "ok", "filling", "full", "silent")
}
TRUCK_LEGEND: Final[dict[tuple[str, str], SeriesStyles]] = {
    ("kinds.truck", "triangle"): _legend("truck", "on_route", "working", "parked", "broken", "silent")
}
_WORST: Final = devices(
    ("bin",),
    *("device", "name", "kelurahan", "state", "fill_pct", "since", "urgency"),
    filter_by=NAMES,
    conditions=(at_least("severity", 1),),
)
_TRUCKS: Final = devices(
    ("truck",),
    *("device", "name", "state", "fix_at", "speed_kmh", "trip_km", "fuel_pct", "reason", "detail"),
    "urgency",
)
_SOON_FULL: Final = devices(
    ("bin",),
    *("device", "name", "kelurahan", "fill_pct", "full_at", "emptied_at"),
    filter_by=NAMES,
    conditions=(at_least("full_at", 1),),
)
_SENSORS: Final = devices(
    ("bin",),
    *("device", "name", "kelurahan", "battery_pct", "rssi_dbm", "heard_at"),
    filter_by=NAMES,
    conditions=(at_least("battery_pct", 0),),
)
_BAND_FIELDS: Final = ("bins_full", "bins_filling", "bins_silent", "bins_unmeasured")
_BANDS: Final = Select(
    tuple(call("sum", name).alias(name) for name in _BAND_FIELDS),
    Select(
        # Means, though the last would do: of several selectors, InfluxDB 2.7 answers rows without a value.
        tuple(call("mean", name).alias(name) for name in _BAND_FIELDS),
        AREA_STATE,
        (IN_RANGE, *matches_variables("city", "kelurahan")),
        by=("kelurahan",),
        every=INTERVAL,
        fill="none",
    ),
    (IN_RANGE,),
    every=INTERVAL,
    fill="null",
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
    bands = {
        "bins_full": ("states.bin.full", BAD),
        "bins_filling": ("states.bin.filling", WARN),
        "bins_silent": ("states.bin.silent", UNKNOWN),
        "bins_unmeasured": ("states.bin.unmeasured", PLAIN),
    }
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
                12,
                [
                    (16, city_map(context, "dispatch.map", [BINS_ON_MAP, TRUCKS_ON_MAP, LABELLED_TRUCKS])),
                    (2, legend_panel(context, "dispatch.legend", {**BIN_LEGEND, **TRUCK_LEGEND})),
                ],
            ),
            (12, [(18, table(context, "dispatch.worst", _WORST, kinds=["bin"], order=["fill_pct", "urgency"]))]),
        ],
        [(24, [(11, table(context, "dispatch.trucks", _TRUCKS, kinds=["truck"], order=["-name", "urgency"]))])],
        [
            (15, [(11, table(context, "dispatch.cases", _OPEN_CASES, order=["-since"], tall=True))]),
            (
                9,
                [
                    (
                        11,
                        time_series(
                            context, "dispatch.bands", [Target(_BANDS, "$col")], styles=bands, every="15m", bars=True
                        ),
                    )
                ],
            ),
        ],
        equal(
            11,
            table(context, "dispatch.soon", _SOON_FULL, order=["-full_at"]),
            table(context, "dispatch.sensors", _SENSORS, order=["-battery_pct"]),
        ),
        equal(
            8,
            time_series(
                context,
                "dispatch.fill",
                [Target(_FILL, "$tag_waste_kind")],
                unit="percent",
                styles=waste,
                every="15m",  # bins report every ten minutes: in less time, others would in every step
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


DISPATCH: Final = DashboardSpec(
    "dispatch",
    _rows,
    NAMES,
    span="24h",
    refresh="10s",
    annotations=(
        Annotation("fire", "bin", ("fire",), BAD, state="raised"),
        # Hundreds a day.
        Annotation("collected", "truck", ("collected",), GOOD, shown=False),
    ),
)
