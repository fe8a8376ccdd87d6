"""What a verb prints never drives the terminal: names of unknown devices are chosen by whoever sends them."""

from __future__ import annotations

import io
import json
import sys

import pytest

from city.cli.escaping import EscapingStream, escape, escaping_output
from city.cli.main import main


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("truck\x1b[2J", "truck\\u001b[2J"),
        ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
        ("a\rb", "a\\rb"),
        ("\x9b31m", "\\u009b31m"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u200b\ufeff\U000e0001", "\\u200b\\ufeff\\udb40\\udc01"),
        ("\ud800", "\\ud800"),
        ("a\u2028b", "a\\u2028b"),
        ("line\n\ttab", "line\n\ttab"),
        ("Kelurahan Naikoten II, 30 °C, 12\u00a0%, 日本, 😀", "Kelurahan Naikoten II, 30 °C, 12\u00a0%, 日本, 😀"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_json_stays_json() -> None:
    document = json.dumps({"name": "\x9b\u202e\x1b", "n": [1]}, ensure_ascii=False)
    assert json.loads(escape(document)) == {"name": "\x9b\u202e\x1b", "n": [1]}


def test_a_progress_line_may_begin_with_a_carriage_return() -> None:
    stream = io.StringIO()
    EscapingStream(stream).write("\r12 of 40\rx")
    assert stream.getvalue() == "\r12 of 40\\rx"


def test_everything_that_verbs_print_goes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with escaping_output():
        print("\x1b[31m")
        print("\x1b[32m", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("\\u001b[31m\n", "\\u001b[32m\n")
    assert main(["check", "--city", "no\x1b[2J"]) == 2
    assert "\x1b" not in "".join(capsys.readouterr())


def test_a_closed_output_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with escaping_output():
        assert sys.stdout is None
