"""Refused clients are counted by account and reason, reported once a minute, and kept in a bounded file."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

from broker.refusals import (
    FILE_MAX_BYTES,
    OTHERS,
    SENDERS_MAX,
    Refusal,
    RefusalCounter,
    append_refusals,
    read_refusals,
    shorten_unknown,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_each_account_and_reason_is_reported_at_most_once_a_minute_with_its_count() -> None:
    counter = RefusalCounter()
    for _ in range(30):
        counter.note("bin-1", "10.0.0.1", "wrong_password")
    counter.note("bin-1", "10.0.0.2", "foreign_client_id")
    counter.note("", "10.0.0.3", "silent")
    counter.note("", "10.0.0.4", "silent")
    assert counter.due(0.0, NOW) == [
        Refusal(NOW, "bin-1", "10.0.0.1", "wrong_password", 30),
        Refusal(NOW, "bin-1", "10.0.0.2", "foreign_client_id", 1),
        Refusal(NOW, "", "10.0.0.3", "silent", 1),
        Refusal(NOW, "", "10.0.0.4", "silent", 1),
    ]
    counter.note("bin-1", "10.0.0.9", "wrong_password")
    assert counter.due(59.0, NOW) == []
    counter.note("bin-1", "10.0.0.8", "wrong_password")
    assert counter.due(60.0, NOW) == [Refusal(NOW, "bin-1", "10.0.0.8", "wrong_password", 2)]


def test_a_flood_of_names_is_reported_together_and_hides_no_other_reason() -> None:
    counter = RefusalCounter()
    lines = 0
    for second in range(60):
        for number in range(100):
            counter.note(f"name-{second}-{number}", "10.0.0.1", "unknown_account")
        lines += len(counter.due(float(second), NOW))
    assert lines <= SENDERS_MAX + 1
    counter.note("bin-1", "10.0.0.2", "wrong_password")
    assert [refusal.user for refusal in counter.due(60.0, NOW) if refusal.reason == "wrong_password"] == ["bin-1"]
    totals = RefusalCounter()
    for number in range(1_000):
        totals.note(f"name-{number}", "10.0.0.1", "unknown_account")
    refusals = totals.due(0.0, NOW)
    assert sum(refusal.count for refusal in refusals) == 1_000
    assert refusals[-1].user == OTHERS


def test_of_an_unknown_name_the_beginning_is_shown_because_it_may_be_a_password() -> None:
    assert shorten_unknown("bin-9999") == "bin-9999"
    assert shorten_unknown("f3a9" * 10) == "f3a9f3a9f3a9…"
    assert shorten_unknown("a\x1b[31m\n") == "a�[31m�"


def test_the_file_is_private_bounded_and_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    assert read_refusals(tmp_path) == []
    for number in range(400):
        append_refusals(folder, [Refusal(NOW, "x" * 30, "10.0.0.1", "wrong_password", number)] * 50)
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["refused.1.jsonl", "refused.jsonl"]
    assert all(path.stat().st_size <= FILE_MAX_BYTES for path in files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    counts = [refusal.count for refusal in read_refusals(tmp_path)]
    assert counts == sorted(counts)
    assert counts[-1] == 399
    with (folder / "refused.jsonl").open("ab") as file:
        file.write(b'{"at": \xff\n')
    assert len(read_refusals(tmp_path)) == len(counts)
