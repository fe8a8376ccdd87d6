"""Changing a city's files while it runs: checks, conflicts, history, reverting, and who follows."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.errors import ConfigError, StorageError
from city.inventory.additions import CityFollower, InventoryAdditions
from city.inventory.adoption import Adoption, adopt
from city.inventory.city_files import CityFiles
from city.inventory.editing import history
from city.inventory.editing.editor import CityEditor, EditConflictError, Proposal
from city.inventory.editing.entries import FILE_OF, EntryTable, with_entry, without_entry
from city.inventory.editing.history import Author, Change, version_of
from city.inventory.loader import builtin_city, load_city
from city.inventory.problems import InventoryError
from city.inventory.provider import LiveInventory

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
ANNA = Author("a1", "Anna")
NEW_BIN = {"model": "plastic-240l", "waste_kind": "organic", "color": "yellow", "kelurahan": "alak"}


class Desk:
    """A city's editor with the folders it works on."""

    def __init__(self, folder: Path) -> None:
        """Copy the reference city, so that its folder may be changed."""
        self.folder, self.data = folder / "own", folder / "data"
        shutil.copytree(builtin_city("kupang"), self.folder)
        self.data.mkdir()
        self.files = CityFiles(self.folder, self.data)
        self.editor = CityEditor(self.files, lambda: NOW)

    def put(self, table: EntryTable, id_: str, fields: dict[str, object]) -> Proposal:
        """A proposal on the present version."""
        state = self.editor.state(FILE_OF[table])
        return self.editor.propose(
            state.name, state.version, "change", id_, lambda text: with_entry(table, text, id_, fields)
        )

    def remove(self, table: EntryTable, id_: str) -> Proposal:
        """A proposal that removes an entry."""
        state = self.editor.state(FILE_OF[table])
        return self.editor.propose(
            state.name, state.version, "remove", id_, lambda text: without_entry(table, text, id_)
        )

    def commit(self, proposal: Proposal) -> Change:
        """Put it in force."""
        change = self.editor.commit(proposal, ANNA)
        assert change is not None
        return change

    def version(self, name: str) -> str:
        """The present version of a file."""
        return self.editor.state(name).version


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An editor."""
    return Desk(tmp_path)


def test_a_change_is_a_whole_copy_in_the_data_folder_and_the_citys_folder_stays(desk: Desk) -> None:
    before = (desk.folder / "bins.csv").read_bytes()
    change = desk.commit(desk.put("bin", "bin-9001", NEW_BIN))
    copy = (desk.data / "inventory" / "bins.csv").read_bytes()
    assert copy.startswith(before)
    assert copy[len(before) :] == b"bin-9001,plastic-240l,organic,yellow,alak,,,,,,\n"
    assert (desk.folder / "bins.csv").read_bytes() == before
    assert (change.n, change.at, change.by, change.what, change.file) == (1, NOW, ANNA, "change", "bins.csv")
    assert (change.lines.line, change.lines.before) == (len(before.splitlines()) + 1, ())
    assert change.lines.after == ("bin-9001,plastic-240l,organic,yellow,alak,,,,,,",)
    assert "bin-9001" in load_city(desk.folder, desk.data).bins
    assert "bin-9001" not in load_city(desk.folder).bins


@pytest.mark.parametrize(
    ("fields", "where", "field"),
    [
        ({**NEW_BIN, "color": "pink"}, "bins.csv:530", "color"),
        ({**NEW_BIN, "model": "barrel"}, "bins.csv:530", "model"),
        ({**NEW_BIN, "lat_deg": "-10.2"}, "bins.csv:530", "lon_deg"),
        ({**NEW_BIN, "colour": "yellow"}, "bins.csv:1", "colour"),
        ({}, "bins.csv:530", "model"),
    ],
)
def test_a_change_that_would_break_the_city_is_refused_with_its_problems(
    desk: Desk, fields: dict[str, object], where: str, field: str
) -> None:
    proposal = desk.put("bin", "bin-9001", fields)
    with pytest.raises(InventoryError) as refused:
        desk.editor.commit(proposal, ANNA)
    assert (where, field) in {(problem.where, problem.field) for problem in refused.value.problems}
    assert desk.editor.problems(proposal) == refused.value.problems
    assert desk.editor.history.newest() == []
    assert not (desk.data / "inventory" / "bins.csv").exists()


def test_a_site_that_devices_stand_at_cannot_be_removed(desk: Desk) -> None:
    with pytest.raises(InventoryError, match=r"trucks\.csv:\d+: depot: there is no site 'depot-alak'"):
        desk.editor.commit(desk.remove("site", "depot-alak"), ANNA)


def test_hours_that_a_site_names_cannot_be_removed(desk: Desk) -> None:
    with pytest.raises(InventoryError, match=r"sites\.csv:\d+: hours: there is no table of hours 'liliba'"):
        desk.editor.commit(desk.remove("hours", "liliba"), ANNA)


def test_a_device_with_an_adopted_address_is_not_removed_from_under_it(desk: Desk) -> None:
    fields = {"adapter": "tts", "address": "24E124AA00000001", "profile": "milesight-em310-udl"}
    adopt(desk.data, load_city(desk.folder), Adoption("bin-0001", "bin", fields, attach=True))
    with pytest.raises(InventoryError, match="there is no bin of that id to attach to"):
        desk.editor.commit(desk.remove("bin", "bin-0001"), ANNA)
    state = desk.editor.state("devices/bin-0001.json")
    forgotten = desk.commit(desk.editor.propose(state.name, state.version, "remove", "bin-0001", lambda _: None))
    assert not (desk.data / "devices" / "bin-0001.json").exists()
    desk.commit(desk.remove("bin", "bin-0001"))
    with pytest.raises(InventoryError, match="there is no bin of that id to attach to"):
        desk.editor.commit(desk.editor.propose_revert(forgotten.n, ""), ANNA)


def test_an_older_fault_of_an_added_file_does_not_stand_in_the_way(desk: Desk) -> None:
    (desk.data / "devices").mkdir()
    (desk.data / "devices" / "bin-8000.json").write_text("{", encoding="utf-8")
    desk.commit(desk.put("bin", "bin-9001", NEW_BIN))


def test_two_changes_of_one_version_are_a_conflict(desk: Desk) -> None:
    mine, theirs = desk.put("bin", "bin-9001", NEW_BIN), desk.put("bin", "bin-9002", NEW_BIN)
    desk.commit(theirs)
    with pytest.raises(EditConflictError, match=r"bins\.csv has been changed meanwhile"):
        desk.editor.commit(mine, ANNA)
    with pytest.raises(EditConflictError):
        desk.editor.propose("bins.csv", mine.version, "change", "bin-9001", lambda text: text)
    assert "bin-9001" not in load_city(desk.folder, desk.data).bins


def test_of_many_changes_at_once_one_is_in_force_and_the_others_are_told(desk: Desk) -> None:
    proposals = [desk.put("bin", f"bin-90{n:02}", NEW_BIN) for n in range(6)]
    outcomes: list[str] = []

    def commit(proposal: Proposal) -> None:
        try:
            CityEditor(desk.files, lambda: NOW).commit(proposal, ANNA)
            outcomes.append("done")
        except EditConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=commit, args=(proposal,)) for proposal in proposals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["done"]
    assert len(desk.editor.history.newest()) == 1


def test_a_change_in_the_citys_folder_meanwhile_is_a_conflict_too(desk: Desk) -> None:
    proposal = desk.put("bin", "bin-9001", NEW_BIN)
    path = desk.folder / "bins.csv"
    path.write_text(path.read_text().replace("yellow", "grey", 1))
    with pytest.raises(EditConflictError):
        desk.editor.commit(proposal, ANNA)


def test_reverting_puts_the_text_back_and_may_be_reverted_itself(desk: Desk) -> None:
    before = desk.editor.state("bins.csv")
    added = desk.commit(desk.put("bin", "bin-9001", NEW_BIN))
    after = desk.version("bins.csv")
    with pytest.raises(EditConflictError):
        desk.editor.propose_revert(added.n, before.version)
    reverted = desk.commit(desk.editor.propose_revert(added.n, after))
    assert (reverted.what, reverted.reverts, reverted.lines.before) == ("revert", added.n, added.lines.after)
    state = desk.editor.state("bins.csv")
    assert (state.text, state.is_edited) == (before.text, False), "the same as in the city's folder, so no copy is left"
    desk.commit(desk.editor.propose_revert(reverted.n, state.version))
    assert "bin-9001" in load_city(desk.folder, desk.data).bins


def test_reverting_an_older_change_takes_back_the_later_ones(desk: Desk) -> None:
    first = desk.commit(desk.put("bin", "bin-9001", NEW_BIN))
    desk.commit(desk.put("bin", "bin-9002", NEW_BIN))
    desk.commit(desk.editor.propose_revert(first.n, desk.version("bins.csv")))
    assert not {"bin-9001", "bin-9002"} & load_city(desk.folder, desk.data).bins.keys()


def test_a_revert_that_would_break_the_city_is_refused(desk: Desk) -> None:
    site = {"name": "TPS Baru", "kind": "tps", "kelurahan": "alak", "lat_deg": "-10.2", "lon_deg": "123.5"}
    added = desk.commit(desk.put("site", "tps-baru", site))
    desk.commit(desk.put("bin", "bin-9001", {**NEW_BIN, "site": "tps-baru"}))
    with pytest.raises(InventoryError, match="there is no site 'tps-baru'"):
        desk.editor.commit(desk.editor.propose_revert(added.n, desk.version("sites.csv")), ANNA)
    assert "tps-baru" in load_city(desk.folder, desk.data).sites


def test_a_newer_file_of_the_citys_folder_is_not_hidden_silently(desk: Desk) -> None:
    desk.commit(desk.put("bin", "bin-9001", NEW_BIN))
    assert not desk.editor.state("bins.csv").hides_newer
    path = desk.folder / "bins.csv"
    path.write_text(path.read_text().replace("yellow", "grey", 1))
    desk.commit(desk.put("bin", "bin-9002", NEW_BIN))
    state = desk.editor.state("bins.csv")
    assert (state.is_edited, state.hides_newer) == (True, True)
    desk.commit(desk.editor.propose_discard("bins.csv", state.version))
    after = desk.editor.state("bins.csv")
    assert (after.text, after.is_edited, after.hides_newer) == (path.read_text(), False, False)


def test_what_changes_nothing_is_no_change(desk: Desk) -> None:
    state = desk.editor.state("bins.csv")
    assert (
        desk.editor.commit(desk.editor.propose("bins.csv", state.version, "change", "x", lambda text: text), ANNA)
        is None
    )
    assert desk.editor.history.newest() == []


def test_only_files_of_the_inventory_are_changed(desk: Desk) -> None:
    for name in ("../bins.csv", "key", "devices/../../x.json", "devices/.json", "notifications.toml", "kelurahan.csv"):
        with pytest.raises(ConfigError):
            desk.editor.state(name)


def test_of_the_history_the_newest_changes_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 2)
    changes = [desk.commit(desk.put("bin", f"bin-900{n}", NEW_BIN)) for n in range(4)]
    assert [change.n for change in desk.editor.history.newest()] == [4, 3]
    assert len(list((desk.data / "inventory" / "changes").iterdir())) == 4
    with pytest.raises(KeyError):
        desk.editor.propose_revert(changes[0].n, desk.version("bins.csv"))


def test_a_disk_that_refuses_leaves_everything_as_it_was(desk: Desk) -> None:
    desk.commit(desk.put("bin", "bin-9001", NEW_BIN))
    proposal = desk.put("bin", "bin-9002", NEW_BIN)
    (desk.data / "inventory" / ".bins.csv.part").mkdir()
    with pytest.raises(StorageError):
        desk.editor.commit(proposal, ANNA)
    assert "bin-9002" not in load_city(desk.folder, desk.data).bins
    assert [change.n for change in desk.editor.history.newest()] == [1]


def test_a_change_whose_process_ended_before_it_was_written_is_forgotten(desk: Desk) -> None:
    """It is kept first and written then; a kill in between leaves an entry that was never in force."""
    proposal = desk.put("bin", "bin-9001", NEW_BIN)
    kept = desk.editor._change(proposal, ANNA)
    desk.editor.history.add(kept, desk.editor.state("bins.csv").text)
    change = desk.commit(desk.put("bin", "bin-9002", NEW_BIN))
    assert [(known.n, known.lines.after) for known in desk.editor.history.newest()] == [(change.n, change.lines.after)]


def test_every_process_follows_changes_of_all_files_and_a_wrong_one_costs_nothing(desk: Desk) -> None:
    """Copies, files of the city's own folder, and a new profile in it."""
    follower = CityFollower(desk.files)
    inventory = LiveInventory(follower.city)
    additions = InventoryAdditions(desk.data, inventory, follower)
    assert not additions.refresh()
    desk.commit(desk.put("bin", "bin-9001", NEW_BIN))
    assert additions.refresh()
    first = inventory.current()
    assert "bin-9001" in first.bins
    (desk.folder / "profiles").mkdir()
    profile = 'extends = "milesight-em310-udl"\nname = "Mystery"\n'
    (desk.folder / "profiles" / "mystery.toml").write_text(profile)
    assert additions.refresh()
    assert inventory.current().version > first.version
    assert inventory.current().profiles["mystery"].name == "Mystery"
    (desk.folder / "sites.csv").write_text("id,name\n")
    assert not additions.refresh()
    assert any(problem.where == "sites.csv:1" for problem in additions.problems)
    assert "tps-oebobo" in inventory.current().sites
    shutil.copy(builtin_city("kupang") / "sites.csv", desk.folder / "sites.csv")
    additions.refresh()
    assert additions.problems == ()


def test_hours_are_followed_and_deposits_are_judged_by_them(desk: Desk) -> None:
    follower = CityFollower(desk.files)
    inventory = LiveInventory(follower.city)
    additions = InventoryAdditions(desk.data, inventory, follower)
    zone = inventory.current().time_zone
    noon = datetime(2026, 3, 2, 12, tzinfo=zone)
    assert not inventory.current().hours_at("tps-oebobo").allows(noon, zone)
    hours = {"name": "Kota Kupang", "every_day": ["11:00-13:00"], "exceptions": {"2026-03-03": []}}
    desk.commit(desk.put("hours", "default", hours))
    assert additions.refresh()
    now = inventory.current().hours_at("tps-oebobo")
    assert (now.allows(noon, zone), now.allows(noon + timedelta(days=1), zone)) == (True, False)


def test_another_id_or_time_zone_waits_for_a_restart(desk: Desk) -> None:
    follower = CityFollower(desk.files)
    path = desk.folder / "city.toml"
    path.write_text(path.read_text().replace("Asia/Makassar", "Asia/Jakarta"))
    assert not follower.refresh()
    assert [problem.field for problem in follower.problems] == ["time_zone"]
    path.write_text(path.read_text().replace("Asia/Jakarta", "Asia/Makassar").replace('"kupang"', '"other"'))
    assert not follower.refresh()
    assert [problem.field for problem in follower.problems] == ["id"]
    assert version_of(None) == ""
