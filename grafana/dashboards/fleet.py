"""Fleet: states of trucks over time, breakdowns, distance, fuel, and running time of compactors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.columns import state_map
from grafana.context import DashboardContext
from grafana.dashboard import DashboardSpec
from grafana.influxql import IN_RANGE, INTERVAL, Column, Select, call, equals, field, matches_variables, plain
from grafana.layout import Row, equal
from grafana.measurements import DEVICE_STATE, TRUCK_5M
from grafana.panels import bar_chart, stat, table, time_series
from grafana.queries import city_sum, event_count, events
from grafana.targets import Target
from grafana.theme import ANY_IS_BAD, ANY_IS_WARN, CALM, CALM_STEPS, GOOD_STEPS
from grafana.timelines import state_timeline
from grafana.variables import Name
from ingest.store.schema import WINDOW_S

NAMES: Final[tuple[Name, ...]] = ("city",)
_CITY: Final = matches_variables("city")
_HOUR_S: Final = 3600
_NEWEST: Final = 100
_TROUBLES: Final = ("breakdown", "panic", "power_cut", "tamper", "harsh_braking")

# Share of readings with the compactor on, times the five-minute windows that had readings.
_PTO_H: Final = call("sum", "pto_sum") / call("sum", "pto_count") * call("count", "pto_count") * WINDOW_S / _HOUR_S
_PER_TRUCK: Final = Select(
    (
        # Not max() - min(): of that in a subquery, InfluxDB 2.7 answers rows without a value.
        call("spread", "odometer_km_max").alias("km"),
        _PTO_H.alias("pto_h"),
        call("last", "fuel_pct_last").alias("fuel_pct"),
    ),
    TRUCK_5M,
    (IN_RANGE, *_CITY),
    by=("device",),
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
    (call("last", "fuel_pct_last").alias("fuel_pct"),),
    TRUCK_5M,
    (IN_RANGE, *_CITY),
    by=("device",),
    every=INTERVAL,
    fill="none",
)


def _total(name: str) -> Select:
    return Select((call("sum", name).alias(name),), _PER_TRUCK)


def _distances(device: str) -> Select:
    """Kilometres by truck. The truck's column is named as it is shown."""
    return Select((Column(field("device"), device), *plain("km")), _PER_TRUCK)


def _rows(context: DashboardContext) -> Sequence[Row]:
    device = context.t("kinds.truck")
    breakdowns = event_count("truck", ("breakdown",), NAMES, equals("state", "raised"))
    troubles = events("truck", _TROUBLES, "device", "type", "state", "detail", newest=_NEWEST)
    hours = f"suffix: {context.t('common.unit_h')}"
    return [
        equal(
            4,
            stat(context, "fleet.on_route", city_sum("trucks_on_route", NAMES), steps=CALM_STEPS),
            stat(context, "fleet.broken", city_sum("trucks_broken", NAMES), steps=ANY_IS_BAD),
            stat(context, "fleet.silent", city_sum("trucks_silent", NAMES), steps=ANY_IS_WARN),
            stat(context, "fleet.breakdown_count", breakdowns, steps=ANY_IS_WARN),
            stat(context, "fleet.distance", _total("km"), steps=CALM_STEPS, unit="suffix: km"),
            stat(context, "fleet.pto", _total("pto_h"), steps=GOOD_STEPS, unit=hours, decimals=1),
        ),
        [
            (
                24,
                [
                    (
                        17,
                        state_timeline(
                            context, "fleet.timeline", [Target(_TIMELINE, "$tag_device")], state_map(context, ["truck"])
                        ),
                    )
                ],
            )
        ],
        equal(
            11,
            table(context, "fleet.breakdowns", troubles, kinds=["event"], show_time=True),
            table(
                context,
                "fleet.per_truck",
                Select(plain("device", "km", "pto_h", "fuel_pct"), _PER_TRUCK),
                order=["km"],
            ),
        ),
        equal(
            10,
            time_series(context, "fleet.fuel", [Target(_FUEL, "$tag_device")], unit="percent", limits=(0, 100)),
            bar_chart(
                context, "fleet.distances", _distances(device), device, {"km": ("fields.km", CALM)}, unit="suffix: km"
            ),
        ),
    ]


FLEET: Final = DashboardSpec("fleet", _rows, NAMES, span="24h", refresh="30s")
