"""What is put down beside a vehicle is a case when the vehicle has driven off, and says that it came by vehicle."""

from __future__ import annotations

import pytest

from tests.unit.vision.test_recognition import CART, SeesColours, Stage, alarms_of, person, walk
from vision.detect.picture import Image
from vision.detect.port import BodyKind
from vision.detect.regions import Box

BAGS: list[Box] = [(176, 156, 24, 22), (206, 158, 22, 20), (234, 156, 24, 22)]
FEET = 178


def cart_at(x: float) -> tuple[BodyKind, Box]:
    return "vehicle", (round(x), FEET - CART[1], *CART)


@pytest.mark.parametrize("goes_s", [24.0, 33.0])
def test_a_load_beside_a_vehicle_is_reported_when_the_vehicle_has_left(goes_s: float) -> None:
    stage = Stage(21)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 5, -150, 60), 10) if at_s < goes_s else walk(at_s, goes_s, 10, -60)
        bags = [bag for number, bag in enumerate(BAGS) if at_s > 12 + 1.6 * number]
        worker = [person(190, FEET + 4)] if 10.4 < at_s < 16.4 else []
        return stage.picture(cart_at(x), *worker, bags=bags)

    alarms = alarms_of(draw, goes_s + 30, SeesColours())
    assert [alarm.at_s > goes_s for alarm in alarms] == [True]
    assert (alarms[0].arrival.by, alarms[0].arrival.in_passing) == ("vehicle", False)
    assert alarms[0].arrival.heading == "left"
    assert alarms[0].box[2] > 40, "the bags are one case"


def test_a_vehicle_that_only_passes_holds_up_nothing() -> None:
    stage = Stage(23)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 40), 130) if at_s < 10 else walk(at_s, 10, 130, 60)
        return stage.picture(
            cart_at(walk(at_s, 10.5, -150, 120)), person(x, FEET + 6), bags=BAGS[:1] if at_s > 9 else []
        )

    (waste,) = alarms_of(draw, 40, SeesColours())
    assert waste.at_s < 20


def test_a_vehicle_that_was_always_there_brought_nothing() -> None:
    """Who stands before it makes it stand out from the background for some looks."""
    stage = Stage(24)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 6, -40, 50), 160) if at_s < 12 else walk(at_s, 12, 160, -50)
        return stage.picture(cart_at(16), person(x, FEET + 6), bags=BAGS[:1] if at_s > 10 else [])

    (waste,) = alarms_of(draw, 40, SeesColours())
    assert waste.at_s < 25
    assert waste.arrival.by == "foot"
    assert waste.arrival.heading == "left"
