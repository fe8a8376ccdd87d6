"""Damage to what the embedded broker keeps: it begins again, says what happened, and serves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.health import damages_since
from tests.support.brokers import RunningBroker, free_port
from tests.support.clients import Connected

OWN = "kota/v1/kupang/bin/bin-0001/telemetry"


def every(pattern: str, spoil: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path in [file for file in folder.rglob(pattern) if file.is_file()]:
            spoil(path)

    return damage


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("no folder")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (shutil.rmtree, ""),
    "a file in its place": (replace_by_file, "broker.storage_set_aside"),
    "garbage in what describes streams": (
        every("meta.inf", lambda path: path.write_bytes(b"garbage")),
        "broker.storage_damaged",
    ),
    "garbage in messages": (every("*.blk", lambda path: path.write_bytes(os.urandom(path.stat().st_size))), ""),
    "messages cut in half": (every("*.blk", lambda path: os.truncate(path, path.stat().st_size // 2)), ""),
    "everything empty": (every("*", lambda path: path.write_bytes(b"")), "broker.storage_"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_it_serves_again_and_says_what_it_found(tmp_path: Path, kind: str) -> None:
    damage, said = DAMAGES[kind]
    broker = RunningBroker("embedded", free_port(), tmp_path)
    broker.start()
    try:
        with Connected(broker, "bin-0001") as device:
            for _ in range(20):
                assert device.bus.publish_and_wait(OWN, b"x" * 500, retain=False, timeout_s=20)
        broker.kill()
        damage(tmp_path / "broker" / "jetstream")
        broker.start()
        assert said in broker.log()
        assert bool(damages_since(tmp_path, 0.0)) == bool(said)
        with (
            Connected(broker, "ingest", filters=(OWN,)) as reader,
            Connected(broker, "bin-0001") as device,
        ):
            assert device.bus.publish_and_wait(OWN, b"after", retain=False, timeout_s=20)
            device.bus.publish(OWN, b"last")
            assert reader.bus.connected.is_set()
    finally:
        broker.kill()
