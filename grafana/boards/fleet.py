"""Fleet: how each truck stood over time, breakdowns, distance, fuel, and how long compactors ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.asked import city_sum, event_count, events
from grafana.board import Board
from grafana.house import ANY_IS_BAD, ANY_IS_WARN, CALM, CALM_STEPS, GOOD_STEPS, House
from grafana.influxql import IN_RANGE, INTERVAL, Column, Select, call, chosen, equals, field, plain
from grafana.layout import Row, equal
from grafana.looks import state_map
from grafana.measurements import DEVICE_STATE, TRUCK_5M
from grafana.panels import bar_chart, series, stat, table
from grafana.targets import Ask
from grafana.timelines import timeline
from grafana.variables import Name
from ingest.store.schema import WINDOW_S

NAMES: Final[tuple[Name, ...]] = ("city",)
_CITY: Final = chosen("city")
_HOUR_S: Final = 3600
_NEWEST: Final = 100
_TROUBLES: Final = ("breakdown", "panic", "power_cut", "tamper", "harsh_braking")

# Share of readings with the compactor on, times the five-minute windows that had readings.
_PTO_H: Final = call("sum", "pto_sum") / call("sum", "pto_count") * call("count", "pto_count") * WINDOW_S / _HOUR_S
_PER_TRUCK: Final = Select(
    (
        (call("max", "odometer_km_max") - call("min", "odometer_km_min")).named("km"),
        _PTO_H.named("pto_h"),
        call("last", "fuel_pct_last").named("fuel_pct"),
    ),
    TRUCK_5M,
    (IN_RANGE, *_CITY),
    by=("device",),
)
_TIMELINE: Final = Select(
    (call("last", "state").named("state"),),
    DEVICE_STATE,
    (equals("kind", "truck"), IN_RANGE, *_CITY),
    by=("device",),
    every=INTERVAL,
    fill="none",
)
_FUEL: Final = Select(
    (call("last", "fuel_pct_last").named("fuel_pct"),),
    TRUCK_5M,
    (IN_RANGE, *_CITY),
    by=("device",),
    every=INTERVAL,
    fill="none",
)


def _total(name: str) -> Select:
    return Select((call("sum", name).named(name),), _PER_TRUCK)


def _distances(device: str) -> Select:
    """Kilometres by truck; the truck's column has the name it is shown by."""
    return Select((Column(field("device"), device), *plain("km")), _PER_TRUCK)


def _rows(house: House) -> Sequence[Row]:
    device = house.t("kinds.truck")
    breakdowns = event_count("truck", ("breakdown",), NAMES, equals("state", "raised"))
    troubles = events("truck", _TROUBLES, "device", "type", "state", "detail", newest=_NEWEST)
    hours = f"suffix: {house.t('common.unit_h')}"
    return [
        equal(
            4,
            stat(house, "fleet.on_route", city_sum("trucks_on_route", NAMES), steps=CALM_STEPS),
            stat(house, "fleet.broken", city_sum("trucks_broken", NAMES), steps=ANY_IS_BAD),
            stat(house, "fleet.silent", city_sum("trucks_silent", NAMES), steps=ANY_IS_WARN),
            stat(house, "fleet.breakdown_count", breakdowns, steps=ANY_IS_WARN),
            stat(house, "fleet.distance", _total("km"), steps=CALM_STEPS, unit="lengthkm"),
            stat(house, "fleet.pto", _total("pto_h"), steps=GOOD_STEPS, unit=hours, decimals=1),
        ),
        [(24, [(17, timeline(house, "fleet.timeline", [Ask(_TIMELINE, "$tag_device")], state_map(house, ["truck"])))])],
        equal(
            11,
            table(house, "fleet.breakdowns", troubles, kinds=["event"], show_time=True),
            table(
                house,
                "fleet.per_truck",
                Select(plain("device", "km", "pto_h", "fuel_pct"), _PER_TRUCK),
                order=["km"],
            ),
        ),
        equal(
            10,
            series(house, "fleet.fuel", [Ask(_FUEL, "$tag_device")], unit="percent", limits=(0, 100)),
            bar_chart(
                house, "fleet.distances", _distances(device), device, {"km": ("fields.km", CALM)}, unit="lengthkm"
            ),
        ),
    ]


FLEET: Final = Board("fleet", _rows, NAMES, span="24h", refresh="30s")
