"""What a case says of its carrier: the direction in which it went off, whether it stopped, on foot or riding."""

from __future__ import annotations

import pytest

from tests.unit.vision.test_recognition import BAG, SeesColours, Stage, alarms_of, person
from vision.detect.picture import Image
from vision.detect.port import AbandonedObject, BodyKind
from vision.detect.regions import Box

FEET = 172


def case_of(stops_s: float, goes_s: float, px_s: tuple[float, float], detector: SeesColours) -> AbandonedObject:
    """Somebody comes to x = 120 at `stops_s`, leaves a bag and goes off at `goes_s`; the speeds are in px a second."""
    stage = Stage(31)

    def draw(at_s: float) -> Image:
        x = 120 + px_s[0] * min(0.0, at_s - stops_s) + px_s[1] * max(0.0, at_s - goes_s)
        return stage.picture(person(x), bags=[BAG] if at_s > stops_s + 0.4 else [])

    (waste,) = alarms_of(draw, goes_s + 25, detector)
    return waste


@pytest.mark.parametrize("sees", [True, False])
@pytest.mark.parametrize(("px_s", "heading"), [((60, 60), "right"), ((60, -60), "left"), ((-60, -60), "left")])
@pytest.mark.parametrize("goes_s", [13.4, 17.0])
def test_who_stops_has_the_direction_in_which_the_carrier_went_off(
    px_s: tuple[float, float], heading: str, goes_s: float, *, sees: bool
) -> None:
    arrival = case_of(12, goes_s, px_s, SeesColours(is_ready=sees)).arrival
    assert (arrival.by, arrival.heading, arrival.in_passing) == ("foot", heading, False)


@pytest.mark.parametrize("sees", [True, False])
def test_who_walks_on_did_not_stop(*, sees: bool) -> None:
    arrival = case_of(12, 12, (60, 60), SeesColours(is_ready=sees)).arrival
    assert (arrival.by, arrival.heading, arrival.in_passing) == ("foot", "right", True)


@pytest.mark.parametrize("stands_s", [0.0, 3.0])
@pytest.mark.parametrize("is_seen", [True, False], ids=["the motorbike too", "the person alone"])
def test_a_rider_whose_person_is_recognised_came_by_vehicle(stands_s: float, *, is_seen: bool) -> None:
    stage, rider = Stage(32), (36, 60)

    def draw(at_s: float) -> Image:
        x = 140 + 150 * min(0.0, at_s - 10) + 150 * max(0.0, at_s - 10 - stands_s)
        bodies: list[tuple[BodyKind, Box]] = [("person", (round(x), FEET - rider[1], *rider))]
        if is_seen:
            bodies.append(("vehicle", (round(x) - 14, FEET - 26, 64, 26)))
        return stage.picture(*bodies, bags=[(150, 154, 20, 18)] if at_s > 10 + stands_s / 2 else [])

    (waste,) = alarms_of(draw, 45, SeesColours())
    assert (waste.arrival.by, waste.arrival.heading) == ("vehicle", "right")
    assert waste.arrival.in_passing == (stands_s == 0)
