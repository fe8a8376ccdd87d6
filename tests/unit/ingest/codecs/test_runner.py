"""The codec runner: an engine that ends, hangs or lies costs one frame, and the city's secrets stay here."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from city.errors import PayloadError
from city.inventory.model import Codec
from ingest.codecs import runner as runner_module
from ingest.codecs.runner import ENGINE, REST_MAX_S, REST_MIN_S, IsolatedCodecRunner
from ingest.decoding.formats.port import RawFrame
from tests.support.waiting import wait_for

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FRAME = RawFrame(2, b"\x01\x02\xff")
COUNT = Codec("count", "function decodeUplink(input) { return { data: { n: input.bytes.length } }; }")
HEAD = "import os, signal, socket, sys, time\nlink = socket.socket(fileno=0)\nlink.recv(4096)\n"
FAULTS = {
    "ends": "os._exit(3)",
    "is killed": "os.kill(os.getpid(), signal.SIGSEGV)",
    "answers with nonsense": "link.sendall(bytes([0, 0, 0, 4]) + b'\\xff\\xff\\xff\\xff'); time.sleep(60)",
    "promises too much": "link.sendall(b'\\xff\\xff\\xff\\xff'); time.sleep(60)",
    "is silent": "time.sleep(60)",
}


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runner(clock: Clock) -> Iterator[IsolatedCodecRunner]:
    made = IsolatedCodecRunner(clock=clock)
    yield made
    made.close()


def pid_of(runner: IsolatedCodecRunner) -> int:
    assert runner._engine is not None
    return runner._engine._process.pid


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        ("{ data: { a: 1 } }", {"a": 1}),
        ("{ data: { a: 1 }, errors: [], warnings: ['low'] }", {"a": 1}),
        ("{ data: { a: NaN, b: undefined, c: '\\ud800' } }", {"a": None, "c": "\N{REPLACEMENT CHARACTER}"}),
        ("{ a: 1, warnings: [] }", {"a": 1}),
    ],
)
def test_the_values_are_the_data_of_the_answer(runner: IsolatedCodecRunner, answer: str, values: object) -> None:
    codec = Codec("it", f"function decodeUplink() {{ return {answer}; }}")
    assert runner.decode(codec, FRAME, AT) == values


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("{ errors: ['unknown port', 'too short'] }", "unknown port; too short"),
        ("{ data: { a: 1 }, errors: 'broken' }", "broken"),
        ("{ data: {} }", "no values"),
        ("{}", "no values"),
        ("{ data: [1, 2] }", "no values"),
        ("{ data: null }", "no values"),
        ("[1]", "no values"),
        ("'text'", "no values"),
        ("Promise.resolve({ data: { a: 1 } })", "no values"),
    ],
)
def test_an_answer_without_values_says_why(runner: IsolatedCodecRunner, answer: str, reason: str) -> None:
    codec = Codec("it", f"function decodeUplink() {{ return {answer}; }}")
    with pytest.raises(PayloadError, match=f"codec it: .*{reason}"):
        runner.decode(codec, FRAME, AT)


def test_a_refused_frame_costs_neither_engine_nor_codec(runner: IsolatedCodecRunner) -> None:
    picky = Codec("picky", "function decodeUplink(i) { if (i.fPort != 2) for (;;) {} return { data: { a: 1 } }; }")
    runner.decode(picky, FRAME, AT)
    pid = pid_of(runner)
    with pytest.raises(PayloadError, match="longer than 50 ms"):
        runner.decode(picky, RawFrame(9, b""), AT)
    assert runner.decode(picky, FRAME, AT) == {"a": 1}
    assert pid_of(runner) == pid


def test_an_engine_that_was_killed_meanwhile_is_replaced_unnoticed(runner: IsolatedCodecRunner) -> None:
    runner.decode(COUNT, FRAME, AT)
    os.kill(pid_of(runner), signal.SIGKILL)
    assert runner.decode(COUNT, FRAME, AT) == {"n": 3}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_codec_that_ends_the_engine_rests(monkeypatch: pytest.MonkeyPatch, clock: Clock, fault: str) -> None:
    monkeypatch.setattr(runner_module, "START_WITHIN_S", 3.0)
    runner = IsolatedCodecRunner((sys.executable, "-c", HEAD + FAULTS[fault]), clock)
    with pytest.raises(PayloadError, match="the engine"):
        runner.decode(COUNT, FRAME, AT)
    assert runner._engine is None
    with pytest.raises(PayloadError, match="called again in 2 s"):
        runner.decode(COUNT, FRAME, AT)
    runner._command = ENGINE
    assert runner.decode(Codec("other", COUNT.source + " "), FRAME, AT) == {"n": 3}
    clock.now_s = REST_MIN_S
    assert runner.decode(COUNT, FRAME, AT) == {"n": 3}
    runner.close()


def test_the_rest_grows_although_frames_between_are_decoded(clock: Clock) -> None:
    runner = IsolatedCodecRunner((sys.executable, "-c", HEAD + FAULTS["ends"]), clock)
    waits = []
    for _ in range(8):
        runner._command = (sys.executable, "-c", HEAD + FAULTS["ends"])
        with pytest.raises(PayloadError):
            runner.decode(COUNT, FRAME, AT)
        (rest,) = runner._rests.values()
        waits.append(rest.until_s - clock.now_s)
        clock.now_s = rest.until_s
        runner._command = ENGINE
        runner.decode(COUNT, FRAME, AT)
        runner.close()
    assert waits == sorted(waits)
    assert waits[-1] == REST_MAX_S


def test_an_engine_that_cannot_be_started_is_a_refusal(clock: Clock) -> None:
    runner = IsolatedCodecRunner(("/nonexistent/engine",), clock)
    with pytest.raises(PayloadError, match="No such file"):
        runner.decode(COUNT, FRAME, AT)


def test_the_engine_has_no_secret_and_few_rights(monkeypatch: pytest.MonkeyPatch, runner: IsolatedCodecRunner) -> None:
    monkeypatch.setenv("KOTA_MQTT_PASSWORD", "secret")
    runner.decode(COUNT, FRAME, AT)
    process = Path(f"/proc/{pid_of(runner)}")
    environment = (process / "environ").read_bytes()
    assert b"KOTA_" not in environment
    assert b"secret" not in environment
    limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()}
    assert (limits["Max file size"], limits["Max core file size"], limits["Max processes"]) == ("0", "0", "0")
    assert int(limits["Max address space"]) == 1 << 30
    assert {path.name for path in (process / "fd").iterdir()} == {"0", "1", "2"}


def test_the_engine_ends_with_its_owner(runner: IsolatedCodecRunner) -> None:
    runner.decode(COUNT, FRAME, AT)
    engine = runner._engine
    assert engine is not None
    engine._link.close()
    wait_for(lambda: engine._process.poll() is not None, "the end of the engine")


def test_threads_get_their_own_answers(runner: IsolatedCodecRunner) -> None:
    wrong: list[object] = []

    def decode(length: int) -> None:
        frame = RawFrame(1, bytes(length))
        answers = [runner.decode(COUNT, frame, AT) for _ in range(200)]
        wrong.extend(answer for answer in answers if answer != {"n": length})

    threads = [threading.Thread(target=decode, args=(length,)) for length in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
