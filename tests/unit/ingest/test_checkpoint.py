"""The checkpoint of a remote store survives restarts, a file taken away under it, and a disk that refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from city.errors import StorageError
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.intervals import IntervalSet
from tests.support.disks import no_file_grows

SEEN = {("bin-1", "b0"): IntervalSet([(0, 9)])}


def test_what_is_committed_is_there_after_a_restart_also_when_the_file_was_deleted_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "progress.sqlite"
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.commit(SEEN, ((1, 4),), [("bin", 300)])
        for file in tmp_path.glob("progress.sqlite*"):
            file.unlink()
        checkpoint.commit({("bin-2", "b0"): IntervalSet([(3, 3)])}, ((1, 5),))
    with closing(Checkpoint(path)) as again:
        assert {key: list(ranges) for key, ranges in again.seen.items()} == {
            ("bin-1", "b0"): [(0, 9)],
            ("bin-2", "b0"): [(3, 3)],
        }
        assert again.committed_offsets == ((1, 5),)
        assert [(window.kind, window.start_s) for window in again.stale()] == [("bin", 300)]


def test_a_refused_commit_changes_neither_the_file_nor_the_memory(tmp_path: Path) -> None:
    with closing(Checkpoint(tmp_path / "progress.sqlite")) as checkpoint:
        checkpoint.commit(SEEN, ((1, 4),))
        with no_file_grows(), pytest.raises(StorageError, match="checkpoint"):
            checkpoint.commit({("bin-2", "b0"): IntervalSet([(0, 0)])}, ((1, 9),), [("bin", 300)])
        assert (dict(checkpoint.seen), checkpoint.committed_offsets, checkpoint.stale()) == (SEEN, ((1, 4),), [])


def test_a_window_that_became_stale_again_while_it_was_rolled_up_stays_stale(tmp_path: Path) -> None:
    with closing(Checkpoint(tmp_path / "progress.sqlite")) as checkpoint:
        checkpoint.commit(SEEN, ((1, 4),), [("bin", 300), ("truck", 600)])
        taken = checkpoint.stale()
        checkpoint.commit(SEEN, ((1, 5),), [("bin", 300)])
        checkpoint.clear_stale(taken)
        assert [(window.kind, window.start_s) for window in checkpoint.stale()] == [("bin", 300)]
