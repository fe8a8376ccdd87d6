"""Growth of byte counters: over restarts, wraps of 32 bits, wrong answers of zero, and members that come and go.

One rule for the drivers of our own devices and for the counters that other makers' devices report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

Bits = Literal[32, 64]

WRAP: Final = 1 << 32
NEAR_WRAP: Final = WRAP - (1 << 28)
"""A counter of unknown width is believed to have wrapped only from here on: 268 MB below 2^32."""
GAP_MAX_S: Final = 1800.0
"""Longest time between two values over which a rate says something."""
WIRELESS_MAX_KBPS: Final = 1_000_000.0
"""Upper limit of a rate, where the interface does not say a higher one."""
FROM_ZERO_MAX_KBPS: Final = 100_000.0
"""Upper limit of a rate from a first value of 0, which may be a wrong answer before the lifetime count."""


class CounterValue(msgspec.Struct, frozen=True, gc=False):
    """A counter at one moment, in seconds of any clock that does not jump."""

    value: float
    at_s: float


class CounterState(msgspec.Struct, frozen=True, gc=False):
    """The last value, and the value before a fall that no later value has explained yet.

    `is_known_start`: the device has told of a restart, so that a value of 0 is no wrong answer.
    """

    last: CounterValue
    before_fall: CounterValue | None = None
    is_known_start: bool = False


class Growth(msgspec.Struct, frozen=True, gc=False):
    """Bytes that were counted within a time."""

    octets: float
    seconds: float

    @property
    def kbps(self) -> float:
        """Mean rate in kbit/s."""
        return self.octets * 8 / 1000 / self.seconds


class CounterStep(msgspec.Struct, frozen=True, gc=False):
    """The state after a value; `growth` is None when nothing is known of it."""

    state: CounterState
    growth: Growth | None = None


def count_growth(
    state: CounterState | None,
    now: CounterValue,
    *,
    restarted: bool = False,
    bits: Bits | None = None,
    speed_kbps: float = WIRELESS_MAX_KBPS,
    gap_max_s: float = GAP_MAX_S,
) -> CounterStep:
    """Growth of a counter up to a new value.

    A fall is a wrap only if the counter has 32 bits, or was near 2^32, and if the rate stays possible. Any other fall
    is a restart of the counter or one wrong answer; the next value tells which.

    Args:
        state: The state before; None for a counter that is new.
        now: The new value, later than the last one.
        restarted: Whether the device reports a restart in between.
        bits: Width of the counter; None when it is not known.
        speed_kbps: Highest possible rate of the interface, for a wrap.
        gap_max_s: Longest time over which growth is counted.
    """
    if state is None or restarted or not 0 < (seconds := now.at_s - state.last.at_s) <= gap_max_s:
        return CounterStep(CounterState(now, is_known_start=restarted))
    last, before_fall = state.last, state.before_fall
    if before_fall is not None and now.at_s - before_fall.at_s > gap_max_s:
        before_fall = None
    if now.value < last.value:
        growth = _over_wrap(last, now, bits, speed_kbps)
        return CounterStep(CounterState(now, None if growth else before_fall or last), growth)
    if before_fall is not None and now.value >= before_fall.value:
        return CounterStep(CounterState(now), Growth(now.value - before_fall.value, now.at_s - before_fall.at_s))
    if before_fall is not None and now.value == last.value:
        return CounterStep(CounterState(now, before_fall))
    growth = Growth(now.value - last.value, seconds)
    is_first_zero = last.value == 0 and before_fall is None and not state.is_known_start
    # A speed that a driver states too low must not cost the traffic that went through.
    if growth.kbps > (FROM_ZERO_MAX_KBPS if is_first_zero else max(speed_kbps, WIRELESS_MAX_KBPS)):
        return CounterStep(CounterState(now))
    return CounterStep(CounterState(now, None, state.is_known_start and now.value == 0), growth)


def _over_wrap(last: CounterValue, now: CounterValue, bits: Bits | None, speed_kbps: float) -> Growth | None:
    """Growth over a wrap; None when the fall is none. A value of exactly 0 is more likely a wrong answer."""
    if bits == 64 or now.value == 0 or last.value >= WRAP or (bits is None and last.value < NEAR_WRAP):  # noqa: PLR2004
        return None
    growth = Growth(now.value + WRAP - last.value, now.at_s - last.at_s)
    return growth if growth.kbps <= speed_kbps else None


class MemberCount(NamedTuple):
    """One member of a sum: an interface's counter, its width and its highest possible rate."""

    octets: float
    bits: Bits | None = None
    speed_kbps: float = WIRELESS_MAX_KBPS


class CounterSum:
    """Owns the sum of several counters as a counter that only grows, by what its members are known to have counted.

    It begins at the sum of the members, and again after a restart of the device. A member that joins later adds what it
    counts from then on; one that leaves takes nothing away.
    """

    def __init__(self) -> None:
        self._states: dict[str, CounterState] = {}
        self._bits: dict[str, Bits | None] = {}
        self._total: float | None = None

    def clear(self) -> None:
        """Begin anew: the device has restarted."""
        self._states, self._bits, self._total = {}, {}, None

    def add(self, members: Mapping[str, MemberCount], at_s: float) -> int:
        """The sum after new values of its members.

        Args:
            members: Name to value; not empty.
            at_s: Their time, in seconds of a clock that does not jump.
        """
        if self._total is None:
            self._total = sum(member.octets for member in members.values())
        for name, member in members.items():
            # A counter of another width is another counter.
            state = self._states.get(name) if self._bits.get(name) == member.bits else None
            value = CounterValue(member.octets, at_s)
            step = count_growth(state, value, bits=member.bits, speed_kbps=member.speed_kbps, gap_max_s=math.inf)
            self._states[name], self._bits[name] = step.state, member.bits
            self._total += step.growth.octets if step.growth else 0
        return int(self._total)
