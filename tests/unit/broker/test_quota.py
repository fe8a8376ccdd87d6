"""A server that sends too much has to wait, and nobody else."""

from __future__ import annotations

from broker.quota import BURST_BYTES, REFILL_S, TrafficQuota


def test_a_burst_is_allowed_and_more_has_to_wait_until_half_is_refilled() -> None:
    quota = TrafficQuota()
    quota.add("loud", BURST_BYTES, 0.0)
    assert quota.wait_s("loud", 0.0) == 0
    quota.add("loud", 1, 0.0)
    assert round(quota.wait_s("loud", 0.0)) == REFILL_S / 2
    assert quota.wait_s("quiet", 0.0) == 0
    assert quota.wait_s("loud", REFILL_S / 2 - 1) > 0
    assert quota.wait_s("loud", REFILL_S / 2 + 1) == 0
    quota.add("loud", BURST_BYTES // 2 - 1, REFILL_S / 2 + 1)
    assert quota.wait_s("loud", REFILL_S / 2 + 1) == 0


def test_a_steady_server_never_waits() -> None:
    quota = TrafficQuota()
    for second in range(600):
        quota.add("steady", int(BURST_BYTES / REFILL_S), float(second))
        assert quota.wait_s("steady", float(second)) == 0
