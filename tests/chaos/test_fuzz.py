"""Mutated messages neither crash nor stall ingest, and what became of each is counted."""

from __future__ import annotations

import random
from pathlib import Path

from tests.chaos.fuzz import fuzz, mutate


def test_ten_thousand_mutated_messages_add_up(tmp_path: Path) -> None:
    report = fuzz(tmp_path, 10_000, seed=5)
    assert report.adds_up, report
    assert min(report.with_records, report.with_dead, report.ignored) > 0, report


def test_a_seed_gives_the_same_messages_again() -> None:
    first, second = random.Random(9), random.Random(9)
    assert [mutate(first, b'{"a":1}') for _ in range(99)] == [mutate(second, b'{"a":1}') for _ in range(99)]
