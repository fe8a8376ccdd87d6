"""The file by which the API tells the simulated city its tours."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.errors import StorageError
from city.runtime.demo_tours import FILE, READ_EVERY_S, DemoTours


def test_what_is_written_is_read_after_a_moment(tmp_path: Path) -> None:
    now = [0.0]
    reader, writer = DemoTours(tmp_path, lambda: now[0]), DemoTours(tmp_path)
    assert reader.current() == {}
    writer.write({"truck-01": ("bin-1", "bin-2")})
    assert reader.current() == {}, "it was read just now"
    now[0] += READ_EVERY_S
    assert reader.current() == {"truck-01": ["bin-1", "bin-2"]}
    writer.write({})
    now[0] += READ_EVERY_S
    assert reader.current() == {}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"truck-01": 7}', b"\xff"])
def test_a_damaged_file_is_no_tour(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_bytes(content)
    assert DemoTours(tmp_path).current() == {}


def test_the_same_tours_are_written_once_and_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    tours = DemoTours(tmp_path)
    tours.write({"truck-01": ["bin-1"]})
    (tmp_path / FILE).unlink()
    tours.write({"truck-01": ["bin-1"]})
    assert not (tmp_path / FILE).exists()
    (tmp_path / FILE).mkdir()
    with pytest.raises(StorageError):
        tours.write({})
