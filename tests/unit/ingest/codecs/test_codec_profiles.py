"""A profile that names a codec: which of three decodings of a frame is stored, before and after adoption."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from city.errors import ConfigError
from city.inventory.loader import load_city
from city.inventory.model import Bin, Binding, City, Codec, FieldRule, Profile
from city.inventory.problems import InventoryError
from ingest.cli import device as device_cli
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.decoder import Decoder
from ingest.decoding.dry_run import dry_run, with_codec
from ingest.decoding.formats.port import CodecRunner, RawFrame
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.store.records import Reading
from tests.unit.city.conftest import FILES
from tests.unit.ingest.conftest import NOW, make_city

TOPIC = "v3/bins/devices/lid-7/up"
LID = """
function decodeUplink(input) {
  if (input.fPort !== 10) return { errors: ["unknown port " + input.fPort] };
  var mm = input.bytes[0] * 256 + input.bytes[1];
  return { data: { top: { mm: mm }, cell_mv: 3600, heard: input.recvTime.toISOString() } };
}
"""
RULES = {
    "distance_mm": FieldRule(("top.mm", "distance")),
    "battery_v": FieldRule(("cell_mv", "battery"), scale=0.001),
}


def city_with(frames: str = "", codec: str = "lid") -> City:
    profile = Profile("lid", "bin", RULES, frames=frames, codec=codec)
    bound = Bin(
        id="bin-9", model="m", waste_kind="organic", color="yellow", binding=Binding("tts", "bins/lid-7", "lid")
    )
    base = make_city()
    return replace(
        base,
        profiles={"lid": profile},
        codecs={"lid": Codec("lid", LID)},
        devices={"bin-9": bound},
    )


def uplink(port: int, data: bytes, decoded: dict[str, Any] | None = None) -> Arrival:
    message: dict[str, Any] = {"f_port": port, "f_cnt": 4, "frm_payload": base64.b64encode(data).decode()}
    if decoded is not None:
        message["decoded_payload"] = decoded
    received = {"received_at": "2026-03-01T11:59:30Z"}
    body = {"end_device_ids": {"device_id": "lid-7"}, **received, "uplink_message": {**message, **received}}
    return Arrival(TOPIC, json.dumps(body).encode(), NOW)


@pytest.fixture(scope="module")
def codecs() -> Iterator[IsolatedCodecRunner]:
    runner = IsolatedCodecRunner()
    yield runner
    runner.close()


def decode(city: City, codecs: CodecRunner | None, arrival: Arrival) -> DecodeResult:
    return Decoder(city, late_after=timedelta(minutes=15), codecs=codecs).decode(arrival)


def values(result: DecodeResult) -> dict[str, Any]:
    (reading,) = [record for record in result.records if isinstance(record, Reading)]
    return reading.values


def test_a_codec_decodes_what_came_as_bytes_alone(codecs: IsolatedCodecRunner) -> None:
    result = decode(city_with(), codecs, uplink(10, b"\x03\x20"))
    assert values(result).items() >= {"distance_mm": 800.0, "battery_v": 3.6}.items()
    assert not result.rejected


def test_the_codec_wins_over_the_servers_own_decoding(codecs: IsolatedCodecRunner) -> None:
    assert values(decode(city_with(), codecs, uplink(10, b"\x03\x20", {"distance": 1})))["distance_mm"] == 800.0


def test_where_the_codec_fails_the_servers_decoding_counts(codecs: IsolatedCodecRunner) -> None:
    result = decode(city_with(), codecs, uplink(11, b"\x03\x20", {"distance": 700}))
    assert values(result)["distance_mm"] == 700.0
    assert not result.rejected


def test_our_frame_decoder_wins_over_the_codec(codecs: IsolatedCodecRunner) -> None:
    frame = bytes.fromhex("036708010482D70E")
    result = decode(city_with(frames="milesight"), codecs, uplink(10, frame))
    assert values(result)["distance_mm"] == 0x0ED7


def test_where_our_frame_decoder_fails_the_codec_counts(codecs: IsolatedCodecRunner) -> None:
    result = decode(city_with(frames="dragino-ldds04"), codecs, uplink(10, b"\x03\x20"))
    assert values(result)["distance_mm"] == 800.0


@pytest.mark.parametrize(
    "body", ["for (;;) {}", "throw new Error('short frame')", "return { errors: ['short frame'] }"]
)
def test_a_frame_that_no_decoder_reads_is_a_dead_letter_with_the_codecs_reason(
    codecs: IsolatedCodecRunner, body: str
) -> None:
    city = replace(city_with(), codecs={"lid": Codec("lid", f"function decodeUplink() {{ {body} }}")})
    result = decode(city, codecs, uplink(10, b"\x03\x20"))
    (rejected,) = result.rejected
    assert rejected.device == "bin-9"
    assert "codec lid: " in rejected.reason
    assert ("50 ms" in rejected.reason) == (body == "for (;;) {}")


def test_a_process_without_codecs_says_so() -> None:
    (rejected,) = decode(city_with(), None, uplink(10, b"\x03\x20")).rejected
    assert "undecoded" in rejected.reason


class Recorded:
    """A codec runner that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, RawFrame, datetime]] = []

    def decode(self, codec: Codec, frame: RawFrame, at: datetime) -> dict[str, Any]:
        self.asked.append((codec.id, frame, at))
        return {"top": {"mm": 5}}

    def check(self, codec: Codec) -> None:
        self.asked.append((codec.id, RawFrame(0, b""), NOW))


def test_the_codec_is_told_when_the_server_received_the_frame() -> None:
    recorded = Recorded()
    decode(city_with(), recorded, uplink(10, b"\x03\x20"))
    at = datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC)
    assert recorded.asked == [("lid", RawFrame(10, b"\x03\x20"), at)]


def test_the_same_frame_decoded_otherwise_is_the_same_record(codecs: IsolatedCodecRunner) -> None:
    first = decode(city_with(), codecs, uplink(10, b"\x03\x20")).records[0]
    again = decode(city_with(codec=""), codecs, uplink(10, b"\x03\x20", {"distance": 800})).records[0]
    assert isinstance(first, Reading)
    assert isinstance(again, Reading)
    assert first.origin.seq == again.origin.seq


def test_a_codec_is_tried_before_adoption(codecs: IsolatedCodecRunner) -> None:
    city = with_codec(city_with(frames="milesight", codec=""), "lid", Codec("new.js", LID))
    result = dry_run(city, "lid", uplink(10, b"\x03\x20"), codecs=codecs)
    assert result.records[0].values["distance_mm"] == 800.0
    with pytest.raises(ConfigError, match="no profile"):
        with_codec(city, "none", Codec("new.js", LID))


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    city = tmp_path / "city"
    for name, text in FILES.items():
        (city / name).parent.mkdir(parents=True, exist_ok=True)
        (city / name).write_text(text)
    (city / "codecs").mkdir()
    (city / "codecs" / "lid.js").write_text("\N{BYTE ORDER MARK}" + LID)
    (city / "profiles" / "lid.toml").write_text(
        'kind = "bin"\ncodec = "lid"\nadapters = ["tts"]\n[fields]\ndistance_mm = { source = ["top.mm"] }\n'
    )
    return city


def test_codecs_are_files_of_the_citys_folder(folder: Path) -> None:
    city = load_city(folder)
    assert city.codecs == {"lid": Codec("lid", LID)}
    assert city.profiles["lid"].codec == "lid"


def test_every_problem_of_a_codec_is_told_with_its_file(folder: Path) -> None:
    (folder / "codecs" / "Two Words.js").write_text("")
    (folder / "codecs" / "large.js").write_bytes(b" " * ((1 << 20) + 1))
    (folder / "codecs" / "folder.js").mkdir()
    (folder / "profiles" / "other.toml").write_text('kind = "bin"\ncodec = "lids"\n')
    with pytest.raises(InventoryError) as caught:
        load_city(folder)
    problems = {(problem.where, problem.field): problem.message for problem in caught.value.problems}
    assert problems["profiles/other.toml", "codec"] == "there is no codec 'lids'; known: lid"
    assert "larger than 1024 KiB" in problems["codecs/large.js", ""]
    assert {"codecs/Two Words.js", "codecs/folder.js"} < {where for where, _ in problems}


def test_the_command_line_tries_a_codec_of_a_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message, script = tmp_path / "uplink.json", tmp_path / "mine.js"
    message.write_bytes(uplink(10, b"\x03\x20").payload)
    script.write_text(LID.replace("mm: mm", "mm: mm + 1"))
    where = ["--topic", TOPIC, "--city", str(folder), "--data", str(tmp_path / "data")]
    assert device_cli.run(["try", "lid", str(message), *where]) == 0
    assert "800" in capsys.readouterr().out
    assert device_cli.run(["try", "lid", str(message), *where, "--codec", str(script)]) == 0
    assert "801" in capsys.readouterr().out
    for wrong, reason in (("other", "known: lid"), ("none.js", "No such file")):
        with pytest.raises(ConfigError, match=reason):
            device_cli.run(["try", "lid", str(message), *where, "--codec", wrong])
