"""Cases from the field that need the command line, HTTP or a database. `KOTA_CASES` names their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.running_cases import RUNNING_FOLDER, present_command, run_running_case, running_case_files

FILES = running_case_files()


@pytest.mark.skipif(not FILES, reason=f"no cases in {RUNNING_FOLDER}; KOTA_CASES names another folder")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_running_case_from_the_field(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert run_running_case(case, tmp_path) == [], case["why"]


def faults_of(folder: Path, *actions: dict[str, Any]) -> list[str]:
    return run_running_case({"how": list(actions)}, folder)


def test_an_action_that_is_as_expected_has_no_fault(tmp_path: Path) -> None:
    said = {"exit": [3], "out_matches": ["^out", "err$"], "out_matches_not": ["other"]}
    command = 'echo out; echo -n err >&2; test -x "$KOTA" -a -d "$PRODUCT" -a "$PORT" != "$MQTT_PORT" && exit 3'
    assert faults_of(tmp_path, {"run": command, "expect": said}) == []


@pytest.mark.parametrize(
    ("expect", "fault"),
    [
        ({}, "exit code 1"),
        ({"exit": [0, 2]}, "exit code 1"),
        ({"exit": [1], "out_matches": ["said", "nothing"]}, "'nothing' does not match"),
        ({"exit": [1], "out_matches_not": ["sa.d"]}, "'sa.d' matches"),
    ],
)
def test_an_action_that_is_not_as_expected_is_named(tmp_path: Path, expect: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(tmp_path, {"do": "say it", "run": "echo said; exit 1", "expect": expect}, {"run": "exit 9"})
    assert found.startswith("action 1, say it: ")
    assert fault in found


def test_an_action_with_a_time_is_repeated(tmp_path: Path) -> None:
    counting = {"run": "echo x >> count; wc -l < count", "within_s": 60, "expect": {"out_matches": ["3"]}}
    assert faults_of(tmp_path, counting) == []


def test_what_is_started_runs_until_the_end_and_no_longer(tmp_path: Path) -> None:
    start = {"start": "echo $$ > pid; echo ready; sleep 1000 & wait", "ready": "test -s pid", "within_s": 60}
    assert faults_of(tmp_path, {"run": "true"}, start, {"run": "kill -0 $(cat pid) && cat action-2.log"}) == []
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_word_that_the_grammar_does_not_have_is_an_error(tmp_path: Path) -> None:
    for action in ({"run": "true", "until": 5}, {"run": "true", "expect": {"out_has": ["x"]}}):
        with pytest.raises(KeyError):
            faults_of(tmp_path, action)


def test_verbs_have_their_present_names() -> None:
    assert present_command('"$KOTA" device strangers --json') == '"$KOTA" device unknown --json'
    assert present_command("$KOTA device strangersx; echo device strangers") == (
        "$KOTA device strangersx; echo device strangers"
    )
    assert present_command('curl -u "gateway:$(cat gateway)" x') == 'curl -u "servers:$(cat gateway)" x'
