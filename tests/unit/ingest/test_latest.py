"""The newest of a device depends neither on the order in which its readings arrive nor on how they are grouped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.store.latest import LastValueCache
from ingest.store.records import Reading, RecordOrigin

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

values = st.dictionaries(
    st.sampled_from(["fill_pct", "battery_pct", "lid_open"]), st.sampled_from([1.0, 2.0, 3.0]), max_size=3
)
readings = st.lists(
    st.builds(
        lambda minute, late_s, quality, found: Reading(
            RecordOrigin(
                "bin",
                "bin-1",
                "b",
                0,
                T0 + timedelta(minutes=minute),
                T0 + timedelta(hours=1, seconds=late_s),
                quality=quality,
            ),
            found,
        ),
        st.integers(0, 4),
        st.integers(0, 9),
        st.sampled_from([(), ("late",), ("invalid",)]),
        values,
    ),
    min_size=1,
    max_size=8,
)


def board(groups: list[list[Reading]]) -> Any:
    made = LastValueCache()
    for group in groups:
        made.update(group)
    return made.find(kind=None, device="bin-1", changed_since=None)


@given(readings, st.randoms(), st.integers(1, 4))
def test_latest_is_the_same_under_any_order_and_grouping(found: list[Reading], dice: Any, size: int) -> None:
    shuffled = list(found)
    dice.shuffle(shuffled)
    groups = [shuffled[at : at + size] for at in range(0, len(shuffled), size)]
    assert board(groups) == board([[reading] for reading in found]) == board([found])


@given(readings)
def test_every_field_is_the_newest_ever_measured(found: list[Reading]) -> None:
    (latest,) = board([found])
    for name, field in latest.values.items():
        assert field.measured_at == max(reading.origin.measured_at for reading in found if name in reading.values)
    assert latest.measured_at == max(reading.origin.measured_at for reading in found)
    assert latest.received_at == max(reading.origin.received_at for reading in found)
