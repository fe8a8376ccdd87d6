"""Fleet: states of trucks over time, breakdowns, distance, compactors, idling, speed, and the trail of a truck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.annotations import Annotation
from grafana.columns import override, state_map
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.dashboards.dispatch import TRUCKS_ON_MAP
from grafana.influxql import (
    IN_RANGE,
    INTERVAL,
    Column,
    Select,
    below,
    call,
    equals,
    field,
    matches_variable,
    matches_variables,
    mean_5m,
    one_of,
    plain,
)
from grafana.layout import Row, equal
from grafana.maps import LATITUDE, LONGITUDE, Markers, city_map
from grafana.measurements import DEVICE_STATE, EVENT, TRUCK, TRUCK_5M
from grafana.panels import SeriesStyles, config_of, stat, table, time_series
from grafana.queries import city_sum, event_count, events
from grafana.targets import Target
from grafana.theme import ANY_IS_BAD, ANY_IS_WARN, BAD, CALM, CALM_STEPS, FUEL_STEPS, GOOD_STEPS, STANDING_KMH, WARN
from grafana.timelines import state_timeline
from grafana.variables import Name
from ingest.store.schema import WINDOW_S

NAMES: Final[tuple[Name, ...]] = ("city", "truck")
_CITY_NAME: Final[tuple[Name, ...]] = ("city",)
_CITY: Final = matches_variables("city")
_HOUR_S: Final = 3600
_NEWEST: Final = 100
_TROUBLES: Final = ("breakdown", "panic", "power_cut", "tamper", "accident", "tow")
_HARSH: Final = ("harsh_braking", "harsh_acceleration", "harsh_cornering", "overspeed")
_PLATE: Final = Column(field("device"), "plate")
_FUEL_STYLES: Final[SeriesStyles] = {"mean": ("fleet.series.mean", CALM), "lowest": ("fleet.series.lowest", WARN)}

# Share of readings with the compactor on, times the five-minute windows that had readings.
_PTO_H: Final = call("sum", "pto_sum") / call("sum", "pto_count") * call("count", "pto_count") * WINDOW_S / _HOUR_S
_PER_TRUCK: Final = Select(
    (
        # No max(), min() or last(): beside another column of a subquery, InfluxDB 2.7 answers rows without a value.
        call("spread", "odometer_km_max").alias("km"),
        _PTO_H.alias("pto_h"),
    ),
    TRUCK_5M,
    (IN_RANGE, *_CITY),
    by=("device",),
)
_DISTANCES: Final = Select((_PLATE, *plain("device", "km", "pto_h")), _PER_TRUCK)
_TOP_SPEEDS: Final = Select(
    (_PLATE, *plain("device", "top_kmh")),
    Select((call("max", "speed_kmh_max").alias("top_kmh"),), TRUCK_5M, (IN_RANGE, *_CITY), by=("device",)),
)
_HARSH_COUNTS: Final = Select(
    (_PLATE, *plain("device", "harsh")),
    Select(
        (call("count", "state").alias("harsh"),),
        EVENT,
        (equals("kind", "truck"), one_of("type", _HARSH), IN_RANGE, *_CITY),
        by=("device",),
    ),
)
_TIMELINE: Final = Select(
    (call("last", "state").alias("state"),),
    DEVICE_STATE,
    (equals("kind", "truck"), IN_RANGE, *_CITY),
    by=("device",),
    every=INTERVAL,
    fill="none",
)
_FUEL: Final = Select(
    (mean_5m("fuel_pct").alias("mean"), call("min", "fuel_pct_min").alias("lowest")),
    TRUCK_5M,
    (IN_RANGE, *_CITY),
    every=INTERVAL,
    fill="null",
)
_TRAIL: Final = Markers(
    "truck",
    Select(
        (
            *(call("last", name).alias(name) for name in (LATITUDE, LONGITUDE)),
            call("last", "speed_kmh").alias("trail_kmh"),
        ),
        TRUCK,
        (matches_variable("device", "truck"), IN_RANGE, *_CITY),
        every=INTERVAL,
        fill="none",
    ),
    size_px=3,
    colour="trail_kmh",
    shape="circle",
)


def _total(name: str) -> Select:
    return Select((call("sum", name).alias(name),), _PER_TRUCK)


def _idle(context: DashboardContext) -> Select:
    """Hours in which each truck stood with its engine on and its compactor off: its readings times their interval."""
    interval_s = max((truck.interval_s for truck in context.city.trucks.values()), default=0)
    hours = call("count", "speed_kmh") * interval_s / _HOUR_S
    idling = (equals("ignition", 1), equals("pto", 0), below("speed_kmh", STANDING_KMH))
    inner = Select((hours.alias("idle_h"),), TRUCK, (*idling, IN_RANGE, *_CITY), by=("device",))
    return Select((_PLATE, *plain("device", "idle_h")), inner)


def _stats(context: DashboardContext) -> Row:
    breakdowns = event_count("truck", ("breakdown",), _CITY_NAME, equals("state", "raised"))
    hours = f"suffix: {context.t('common.unit_h')}"
    return equal(
        4,
        stat(context, "fleet.on_route", city_sum("trucks_on_route", _CITY_NAME), steps=CALM_STEPS),
        stat(context, "fleet.broken", city_sum("trucks_broken", _CITY_NAME), steps=ANY_IS_BAD),
        stat(context, "fleet.silent", city_sum("trucks_silent", _CITY_NAME), steps=ANY_IS_WARN),
        stat(context, "fleet.breakdown_count", breakdowns, steps=ANY_IS_WARN),
        stat(context, "fleet.distance", _total("km"), steps=CALM_STEPS, unit="suffix: km"),
        stat(context, "fleet.pto", _total("pto_h"), steps=GOOD_STEPS, unit=hours, decimals=1),
    )


def _rows(context: DashboardContext) -> Sequence[Row]:
    told = events("truck", _TROUBLES, newest=_NEWEST).where
    troubles = Select((_PLATE, *plain("device", "type", "state", "detail")), EVENT, told, newest=_NEWEST)
    timeline = state_timeline(
        context, "fleet.timeline", [Target(_TIMELINE, "$tag_device")], state_map(context, ["truck"])
    )
    config_of(timeline).overrides = [override(truck, {"displayName": plate}) for truck, plate in context.plates.items()]
    trail = city_map(context, "fleet.trail", [_TRAIL, TRUCKS_ON_MAP])
    trail.interval = "15s"
    fuel = [Target(_FUEL, "$col")]
    breakdowns = table(context, "fleet.breakdowns", troubles, kinds=["event"], show_time=True, widths={"state": 80})
    return [
        _stats(context),
        [(24, [(17, timeline)])],
        [
            (12, [(16, trail)]),
            (6, [(16, table(context, "fleet.idle", _idle(context), order=["idle_h"]))]),
            (6, [(16, table(context, "fleet.speed", _TOP_SPEEDS, order=["top_kmh"]))]),
        ],
        [
            (15, [(11, breakdowns)]),
            (9, [(11, table(context, "fleet.per_truck", _DISTANCES, order=["km"]))]),
        ],
        [
            (
                18,
                [
                    (
                        9,
                        time_series(
                            context,
                            "fleet.fuel",
                            fuel,
                            unit="percent",
                            limits=(0, 100),
                            styles=_FUEL_STYLES,
                            steps=FUEL_STEPS,
                        ),
                    )
                ],
            ),
            (6, [(9, table(context, "fleet.harsh", _HARSH_COUNTS, order=["harsh"]))]),
        ],
    ]


FLEET: Final = DashboardSpec(
    "fleet",
    _rows,
    NAMES,
    span="24h",
    refresh="30s",
    annotations=(Annotation("breakdown", "truck", ("breakdown",), BAD, state="raised"),),
)
