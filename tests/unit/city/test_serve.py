"""A process that runs services: without a supervisor it ends itself when one hangs, and not before."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from city.runtime.heartbeats import HeartbeatRegistry, HeartbeatWriter, read_heartbeat
from city.runtime.options import environment_of
from city.runtime.serve import _write_heartbeats
from city.runtime.service import Runtime
from city.runtime.settings import load_settings
from tests.support.waiting import wait_for


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(load_settings(data=tmp_path), ["ingest"])


def test_a_service_that_hangs_ends_its_process(runtime: Runtime, tmp_path: Path) -> None:
    now = [0.0]
    beats = HeartbeatRegistry(lambda: now[0])
    beats.beat("ingest", "storing")
    now[0] = 61.0
    assert _write_heartbeats(runtime, ["ingest"], HeartbeatWriter(tmp_path, beats, {}))
    assert runtime.stop.is_set()
    assert runtime.failed.is_set()


def test_after_a_pause_of_everything_it_goes_on(runtime: Runtime, tmp_path: Path) -> None:
    """Late once is what a pause of the container looks like: the part beats again before the next look."""
    now = [0.0]
    beats = HeartbeatRegistry(lambda: now[0])
    beats.beat("ingest", "storing")
    now[0] = 3_600.0
    hangs: list[bool] = []

    def leave() -> None:
        hangs.append(_write_heartbeats(runtime, ["ingest"], HeartbeatWriter(tmp_path, beats, {})))

    thread = threading.Thread(target=leave)
    thread.start()
    wait_for(lambda: (sign := read_heartbeat(tmp_path, "ingest")) and sign.overdue(), "a look at what is late")
    beats.beat("ingest", "storing")
    wait_for(lambda: (sign := read_heartbeat(tmp_path, "ingest")) and sign.number >= 3, "two more looks")
    runtime.stop.set()
    thread.join(20)
    assert hangs == [False]
    assert not runtime.failed.is_set()


def test_a_supervisor_is_left_to_do_it(runtime: Runtime, tmp_path: Path) -> None:
    read, write = os.pipe()
    now = [0.0]
    beats = HeartbeatRegistry(lambda: now[0])
    beats.beat("ingest")
    now[0] = 61.0
    writer = HeartbeatWriter(tmp_path, beats, {"KOTA_SIGNS": str(write)})
    thread = threading.Thread(target=lambda: _write_heartbeats(runtime, ["ingest"], writer))
    thread.start()
    wait_for(lambda: (sign := read_heartbeat(tmp_path, "ingest")) and sign.number >= 3, "three looks")
    assert not runtime.stop.is_set()
    runtime.stop.set()
    thread.join(20)
    os.close(read)
    os.close(write)


def test_children_get_paths_by_the_names_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beside a file, as a model's description, lies beside its link and not beside its target."""
    (tmp_path / "elsewhere").mkdir()
    model = tmp_path / "elsewhere" / "model.onnx"
    model.touch()
    (tmp_path / "linked.onnx").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    variables = environment_of(load_settings(vision_model=Path("linked.onnx")))
    assert variables["KOTA_VISION_MODEL"] == str(tmp_path / "linked.onnx")
