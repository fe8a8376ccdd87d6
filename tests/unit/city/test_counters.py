"""Growth of counters: what went through an interface is counted, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.counters import GAP_MAX_S, NEAR_WRAP, WRAP, CounterState, CounterSum, CounterValue, MemberCount, count_growth


def growths(*values: float, every_s: float = 60.0, **how: Any) -> list[float | None]:
    """Growth in bytes at each value after the first."""
    state = None
    octets: list[float | None] = []
    for number, value in enumerate(values):
        step = count_growth(state, CounterValue(value, number * every_s), **how)
        state = step.state
        octets.append(step.growth.octets if step.growth else None)
    assert octets[0] is None
    return octets[1:]


def test_a_fall_far_below_2_to_the_32_is_no_wrap() -> None:
    assert growths(2_800_000_000, 9_000_000, 9_500_000) == [None, 500_000]


def test_a_counter_near_2_to_the_32_wraps() -> None:
    assert growths(WRAP - 1000, 500) == [1500]


def test_a_counter_that_has_64_bits_never_wraps_at_32() -> None:
    assert growths(WRAP - 1000, 500, bits=64) == [None]
    assert growths(WRAP + 1000, 500, bits=32) == [None]


def test_a_counter_of_32_bits_wraps_from_anywhere_if_the_rate_stays_possible() -> None:
    grown = WRAP - 3_000_000_000 + 5_000_000
    assert growths(3_000_000_000, 5_000_000, every_s=300.0, bits=32, speed_kbps=54_000) == [grown]
    assert growths(3_000_000_000, 5_000_000, every_s=300.0, bits=32, speed_kbps=10_000) == [None]


def test_a_fall_to_zero_is_no_wrap() -> None:
    assert growths(WRAP - 1000, 0, bits=32) == [None]


def test_one_wrong_answer_is_passed_over_and_what_went_through_meanwhile_is_counted() -> None:
    (_, growth) = (
        growths(5 * 10**9, 0),
        count_growth(
            CounterState(CounterValue(0, 60), CounterValue(5 * 10**9, 0)), CounterValue(5 * 10**9 + 900, 120)
        ).growth,
    )
    assert growth is not None
    assert (growth.octets, growth.seconds) == (900, 120)


def test_wrong_answers_one_after_the_other_are_passed_over() -> None:
    assert growths(5 * 10**9, 40, 0, 0, 5 * 10**9 + 900) == [None, None, None, 900]


def test_a_counter_that_began_again_counts_from_there() -> None:
    assert growths(5 * 10**9, 0, 700, 1500) == [None, 700, 800]


def test_what_fell_long_ago_is_no_wrong_answer() -> None:
    assert growths(1000, 0, 0, 0, every_s=GAP_MAX_S / 2)[-1] == 0


def test_a_first_zero_before_a_lifetime_count_is_no_traffic() -> None:
    assert growths(0, 9 * 10**9, 9 * 10**9 + 5) == [None, 5]
    assert growths(0, 7000) == [7000]
    restarted = count_growth(None, CounterValue(0, 0), restarted=True).state
    assert count_growth(restarted, CounterValue(10**9, 60)).growth is not None
    assert count_growth(CounterState(CounterValue(0, 0)), CounterValue(10**9, 60)).growth is None


def test_a_jump_that_no_interface_can_have_is_no_traffic() -> None:
    assert growths(3 * 10**9, 40 * 10**9, 40 * 10**9 + 70) == [None, 70]


def test_nothing_is_counted_over_a_restart_a_long_gap_or_backwards() -> None:
    state = CounterState(CounterValue(10, 100))
    assert count_growth(state, CounterValue(90, 160), restarted=True).growth is None
    assert count_growth(state, CounterValue(90, 101 + GAP_MAX_S)).growth is None
    assert count_growth(state, CounterValue(90, 100)).growth is None


@given(before=st.integers(1, 2**53), grown=st.integers(0, 2**31 - 1))
def test_what_is_counted_over_a_wrap_is_what_went_through(before: int, grown: int) -> None:
    if before < WRAP:
        (octets,) = growths(before, (before + grown) % WRAP)
        assert octets in (grown, None)
        if before >= NEAR_WRAP and (before + grown) % WRAP:
            assert octets == grown
    assert growths(before, before + grown) == [grown]
    assert growths(before, before + grown, restarted=True) == [None]


@pytest.mark.parametrize("bits", [32, 64, None])
def test_a_sum_does_not_move_when_members_come_and_go(bits: Any) -> None:
    counter_sum = CounterSum()
    assert counter_sum.add({"a": MemberCount(100, bits), "b": MemberCount(1000, bits)}, 0) == 1100
    assert counter_sum.add({"a": MemberCount(150, bits)}, 60) == 1150
    assert counter_sum.add({"a": MemberCount(150, bits), "c": MemberCount(10**9, bits)}, 120) == 1150
    assert counter_sum.add({"a": MemberCount(150, bits), "b": MemberCount(1400, bits)}, 180) == 1550


def test_a_sum_is_right_over_any_gap() -> None:
    counter_sum = CounterSum()
    counter_sum.add({"a": MemberCount(100)}, 0)
    assert counter_sum.add({"a": MemberCount(900)}, 10 * GAP_MAX_S) == 900


def test_a_member_whose_width_changes_is_another_counter() -> None:
    counter_sum = CounterSum()
    counter_sum.add({"a": MemberCount(5 * 10**9, 64)}, 0)
    assert counter_sum.add({"a": MemberCount(5 * 10**9 % WRAP, 32)}, 60) == 5 * 10**9
    assert counter_sum.add({"a": MemberCount(5 * 10**9 + 700, 64)}, 120) == 5 * 10**9


def test_a_sum_begins_anew_after_a_restart() -> None:
    counter_sum = CounterSum()
    counter_sum.add({"a": MemberCount(9000)}, 0)
    counter_sum.clear()
    assert counter_sum.add({"a": MemberCount(5)}, 60) == 5
