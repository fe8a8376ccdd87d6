"""Cases from public reports of the field; each message becomes what its case says. `KOTA_CASES` names a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cases import FOLDER, case_files, faults_of, holds, run_case

FILES = case_files()
NOT_YET: frozenset[str] = frozenset()
"""Cases that come out wrong still; one that comes out right has to be taken from here."""


@pytest.mark.skipif(not FILES, reason=f"no cases in {FOLDER}; KOTA_CASES names another folder")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_case_from_the_field(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    faults = faults_of(case, run_case(case))
    if case["id"] in NOT_YET:
        assert faults, "it comes out right: take it from NOT_YET"
        pytest.xfail(faults[0])
    assert faults == [], case["why"]


def test_the_words_of_expectations() -> None:
    assert holds(5, 5.0)
    assert not holds(1, True)
    assert not holds(True, 1)
    assert holds(None, None)
    assert not holds(None, 0)
    assert holds({"near": 10, "within": 0.5}, 10.4)
    assert not holds({"near": 10, "within": 0.5}, "10")
    assert holds({"at_least": 3}, 3)
    assert not holds({"at_least": 3, "at_most": 4}, 5)
    assert holds({"has": 3}, [1, 3])
    assert holds({"any_of": [None, "a"]}, None)
    with pytest.raises(KeyError):
        faults_of({"expect": {"stored": 1}}, run_case({"devices": [], "steps": []}))
