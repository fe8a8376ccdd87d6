"""The canary: due every few seconds, and nothing heard for fifteen is deaf, whatever the connection says."""

from __future__ import annotations

from ingest.pipeline.canary import DEAF_AFTER_S, EVERY_S, Canary


def test_one_is_due_at_once_and_then_every_few_seconds() -> None:
    canary = Canary(100.0)
    assert canary.due(100.0)
    assert not canary.due(100.0 + EVERY_S - 0.1)
    assert canary.due(100.0 + EVERY_S)


def test_anything_heard_proves_that_the_broker_passes_on() -> None:
    canary = Canary(0.0)
    assert not canary.is_deaf(DEAF_AFTER_S)
    assert canary.is_deaf(DEAF_AFTER_S + 0.1)
    canary.on_message(DEAF_AFTER_S)
    assert not canary.is_deaf(2 * DEAF_AFTER_S)
    assert canary.age_s(2 * DEAF_AFTER_S) == DEAF_AFTER_S


def test_a_new_connection_alone_proves_nothing_but_gets_its_time_before_it_is_given_up() -> None:
    canary = Canary(0.0)
    canary.on_connected(100.0)
    assert canary.is_deaf(101.0)
    assert not canary.gives_up(101.0)
    assert canary.due(101.0)
    assert canary.gives_up(100.0 + DEAF_AFTER_S + 0.1)
    canary.on_message(101.0)
    assert not canary.gives_up(102.0)
