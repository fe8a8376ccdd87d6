"""Dispatch: where bins are full, where the trucks are, what has to be done now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.asked import KNOWN_PLACE, city_sum, devices
from grafana.board import Board
from grafana.house import ANY_IS_BAD, ANY_IS_WARN, CALM, CALM_STEPS, GOOD, GOOD_STEPS, House
from grafana.influxql import IN_RANGE, INTERVAL, Select, at_least, call, chosen, equals, mean_5m, plain, recent
from grafana.layout import Row, equal
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.measurements import BIN_AREA_5M, DUMPING_CASE, EVENT
from grafana.panels import note, series, stat, table
from grafana.targets import Ask
from grafana.variables import Name

NAMES: Final[tuple[Name, ...]] = ("city", "kelurahan", "site", "waste_kind")
WASTE_COLOURS: Final = {"organic": "#c9a227", "non_organic": "#3f9c5a"}
"""Like the containers: yellow for organic, green for non-organic waste."""

BINS_ON_MAP: Final = Markers(
    "bin",
    devices(
        ("bin",),
        *("device", "name", "kelurahan", "state", "fill_pct", "reason", "heard_at", LATITUDE, LONGITUDE),
        chosen_by=NAMES,
        only=(KNOWN_PLACE,),
    ),
    size_px=5,
)
TRUCKS_ON_MAP: Final = Markers(
    "truck",
    devices(
        ("truck",),
        *("device", "name", "state", "speed_kmh", "reason", "fix_at", LATITUDE, LONGITUDE),
        only=(KNOWN_PLACE,),
    ),
    size_px=9,
    labelled=True,
)
_WORST: Final = devices(
    ("bin",),
    *("device", "name", "kelurahan", "state", "fill_pct", "reason", "since", "heard_at", "fire"),
    chosen_by=NAMES,
    only=(at_least("severity", 1),),
)
_TRUCKS: Final = devices(
    ("truck",),
    *("device", "name", "state", "fix_at", "speed_kmh", "trip_since", "trip_km", "fuel_pct", "reason", "detail"),
    "severity",
)
_OPEN_CASES: Final = Select(
    plain("picture", "site_name", "kelurahan", "since", "hours", "page"),
    DUMPING_CASE,
    (equals("open", 1), recent("30d"), *chosen("city", "kelurahan", "site")),
)
_FILL: Final = Select(
    (mean_5m("fill_pct").named("fill_pct"),),
    BIN_AREA_5M,
    (IN_RANGE, *chosen("city", "kelurahan", "waste_kind")),
    by=("waste_kind",),
    every=INTERVAL,
    fill="null",
)
_COLLECTIONS: Final = Select(
    (call("count", "state").named("count"),),
    EVENT,
    # A truck or a bin says it, whichever can; a truck's place is its depot.
    (equals("type", "collected"), IN_RANGE, *chosen("city")),
    by=("kind",),
    every="1h",
    fill="0",
)


def _rows(house: House) -> Sequence[Row]:
    waste = {code: (f"waste_kind.{code}", colour) for code, colour in WASTE_COLOURS.items()}
    return [
        equal(
            4,
            stat(house, "dispatch.full", city_sum("bins_full"), steps=ANY_IS_WARN),
            stat(house, "dispatch.fires", city_sum("fires"), steps=ANY_IS_BAD),
            stat(house, "dispatch.on_route", city_sum("trucks_on_route", ("city",)), steps=CALM_STEPS),
            stat(house, "dispatch.broken", city_sum("trucks_broken", ("city",)), steps=ANY_IS_BAD),
            stat(house, "dispatch.open_cases", city_sum("open_cases"), steps=ANY_IS_WARN),
            stat(house, "dispatch.collected", city_sum("collected_today"), steps=GOOD_STEPS),
        ),
        [
            (
                13,
                [
                    (16, city_map(house, "dispatch.map", [BINS_ON_MAP, TRUCKS_ON_MAP])),
                    (2, note(house, "dispatch.legend")),
                ],
            ),
            (11, [(18, table(house, "dispatch.worst", _WORST, kinds=["bin"], order=["fill_pct", "fire"]))]),
        ],
        [
            (14, [(11, table(house, "dispatch.trucks", _TRUCKS, kinds=["truck"], order=["-name", "severity"]))]),
            (10, [(11, table(house, "dispatch.cases", _OPEN_CASES, order=["-since"], tall=True))]),
        ],
        equal(
            8,
            series(
                house, "dispatch.fill", [Ask(_FILL, "$tag_waste_kind")], unit="percent", named=waste, limits=(0, 100)
            ),
            series(
                house,
                "dispatch.collections",
                [Ask(_COLLECTIONS, "$tag_kind")],
                named={"truck": ("dispatch.collections.truck", GOOD), "bin": ("dispatch.collections.bin", CALM)},
                every="1h",
                bars=True,
            ),
        ),
    ]


DISPATCH: Final = Board("dispatch", _rows, NAMES, span="24h", refresh="10s")
