"""The rules of a city: shipped ones, changed by its folder, with an error that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.cli.main import main
from city.errors import ConfigError
from city.inventory.city_files import CityFiles
from dispatch.alarms.rules import FILE_NAME, KINDS, LiveRules, load_rules


def test_every_kind_has_a_shipped_rule() -> None:
    rules = load_rules()
    assert tuple(rules) == KINDS
    assert rules["fire"].priority == "critical"
    assert rules["fire"].delay_on_s == 0


def test_a_city_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("[overflowing]\ndelay_on_s = 60\n[tilt]\nenabled = false\n")
    rules, shipped = load_rules(tmp_path), load_rules()
    assert rules["overflowing"].delay_on_s == 60
    assert rules["overflowing"].hold == shipped["overflowing"].hold
    assert not rules["tilt"].enabled
    assert rules["fire"] == shipped["fire"]


def test_what_is_urgent_is_said_again_and_escalated_to_another_role() -> None:
    rules = load_rules()
    for kind in ("fire", "panic", "ingest_behind"):
        assert (rules[kind].remind_after_s, rules[kind].escalate_after_s) == (300, 900)
    for rule in rules.values():
        assert rule.notify
        assert rule.escalate_to not in rule.notify
        assert rule.priority in ("critical", "high") or not (rule.remind_after_s or rule.escalate_after_s)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[burning]\n", r"\[burning\] is no kind of alarm"),
        ("fire = 1\n", "fire is a table"),
        ("[fire]\npriority = 'urgent'\n", r"\[fire\].*urgent"),
        ("[fire]\ndelay_on_s = -1\n", r"\[fire\].*>= 0"),
        ("[fire]\ndelay = 1\n", r"\[fire\].*unknown field `delay`"),
        ("[tilt]\nsuppressed_by = ['rain']\n", r"\[tilt\].*rain"),
        ("[fire]\nnotify = ['boss']\n", r"\[fire\].*boss"),
        ("[fire]\nescalate_to = 'boss'\n", r"\[fire\].*boss"),
        ("[fire]\nremind_after_s = -1\n", r"\[fire\].*>= 0"),
        ("[fire]\nreminders = 101\n", r"\[fire\].*<= 100"),
        ("[fire\n", r"alarms\.toml"),
        ("\x00", r"alarms\.toml"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ConfigError, match=reason):
        load_rules(tmp_path)


def test_rules_are_followed_and_a_wrong_file_leaves_those_of_before(tmp_path: Path) -> None:
    """The changed copy in the data folder comes before the city's own file."""
    folder, copies = tmp_path / "own", tmp_path / "data" / "inventory"
    folder.mkdir()
    copies.mkdir(parents=True)
    rules = LiveRules(CityFiles(folder, tmp_path / "data"))
    assert rules.current() is rules.current()
    assert rules.current()["tilt"].enabled
    (folder / FILE_NAME).write_text("[tilt]\nenabled = false\n")
    assert not rules.current()["tilt"].enabled
    (copies / FILE_NAME).write_text("[fire]\npriority = 'low'\n")
    assert rules.current()["tilt"].enabled
    (copies / FILE_NAME).write_text("[fire]\npriority = 'lowest'\n")
    assert rules.current()["fire"].priority == "low"


def test_kota_check_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--data", str(tmp_path)])
    assert f"ok   alarms: rules of {len(KINDS)} kinds can be read" in capsys.readouterr().out
