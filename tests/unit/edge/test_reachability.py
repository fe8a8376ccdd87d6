"""Latency and loss of a round, and silence that is no loss."""

from __future__ import annotations

import pytest

from city.errors import RetryLaterError
from edge.sensors.reachability import Pinger, ReachabilityOptions, ReachabilityProbe


def test_latency_is_the_median_of_what_came_and_loss_the_share_of_what_did_not() -> None:
    assert ReachabilityProbe(lambda: [10.0, None, 30.0, 11.0]).measure() == {"loss_pct": 25.0, "latency_ms": 11.0}


def test_without_an_answer_there_is_no_latency() -> None:
    assert ReachabilityProbe(lambda: [None, None]).measure() == {"loss_pct": 100.0}


def test_over_tcp_silence_is_a_loss_only_where_there_has_been_an_answer() -> None:
    answers = iter([False, False, True, False, False, False])
    pinging = Pinger("ap", ReachabilityOptions(count=2, gap_s=0), connect=lambda *_: next(answers))
    with pytest.raises(RetryLaterError, match="may not send ICMP"):
        pinging.over_tcp()
    assert [ms is None for ms in pinging.over_tcp()] == [False, True]
    assert pinging.over_tcp() == [None, None]


def test_a_name_that_does_not_exist_is_no_loss() -> None:
    with pytest.raises(RetryLaterError, match="no such name"):
        Pinger("tidak-ada.invalid", ReachabilityOptions())()
