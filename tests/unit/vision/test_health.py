"""One word on how a camera sees, and an event when it has not seen for long."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.words import Words
from vision.camera.health import BlindChange, VisibilityMonitor
from vision.camera.reporting import HEALTH_EVERY_S, HealthReporter
from vision.capture.port import Frame
from vision.capture.watchdog import Watchdog


def lived(
    monitor: VisibilityMonitor, story: list[tuple[float, str | None]], began_s: float = 0.0
) -> list[tuple[float, BlindChange]]:
    """Five looks a second through a story of (until second, reason; None without pictures)."""
    said, now_s = [], began_s
    for until_s, reason in story:
        while now_s < until_s:
            now_s = round(now_s + 0.2, 1)
            if reason is not None:
                monitor.note_frame(reason, now_s)
            if change := monitor.tick(now_s):
                monitor.acknowledge(change)
                said.append((now_s, change))
    return said


def summary(said: list[tuple[float, BlindChange]]) -> list[tuple[str, str]]:
    return [(change.state, change.reason) for _, change in said]


def test_learning_at_the_start_is_no_blindness() -> None:
    monitor = VisibilityMonitor(0.0)
    assert lived(monitor, [(1.0, None), (3.0, "warming_up"), (60.0, "")]) == []
    assert monitor.scene == "armed"
    assert monitor.blind_s == 3


def test_a_camera_that_never_sends_is_blind_half_a_minute_after_the_start() -> None:
    monitor = VisibilityMonitor(0.0)
    ((at_s, change),) = lived(monitor, [(120.0, None)])
    assert (change.state, change.reason) == ("raised", "no_stream")
    assert 30 <= at_s <= 31
    assert (monitor.scene, monitor.blind_s) == ("no_stream", 120)


def test_pictures_that_are_refused_for_their_size_are_a_reason_of_their_own() -> None:
    monitor = VisibilityMonitor(0.0)
    assert lived(monitor, [(60.0, "")]) == []
    said = []
    for tenth in range(600, 900):
        # The camera is silent at first; what it sends is known to be too large at its next connection.
        if change := monitor.tick(tenth / 10, too_large=tenth > 670):
            monitor.acknowledge(change)
            said.append(change)
    assert [(change.state, change.reason) for change in said] == [("raised", "too_large")]
    assert monitor.scene == "too_large"
    monitor.tick(90.1)
    assert monitor.scene == "no_stream"
    monitor.note_frame("", 91.0)
    monitor.tick(91.0, too_large=True)
    assert monitor.scene == "armed"


@pytest.mark.parametrize("reason", ["covered", "light", "moved", "defocused", "frozen", None])
def test_an_armed_camera_that_sees_no_more_says_so_and_when_it_is_over(reason: str | None) -> None:
    monitor = VisibilityMonitor(0.0)
    said = lived(monitor, [(60.0, ""), (100.0, reason), (102.0, "warming_up"), (130.0, "")])
    word = reason or "no_stream"
    assert summary(said) == [("raised", word), ("cleared", word)]
    (raised_s, _), (cleared_s, cleared) = said
    assert 69.5 <= raised_s <= 71
    assert 105 <= cleared_s <= 106
    assert 41 <= cleared.lasted_s <= 43


def test_a_short_loss_of_sight_is_no_event() -> None:
    assert lived(VisibilityMonitor(0.0), [(60.0, ""), (69.0, "light"), (90.0, ""), (98.0, None), (150.0, "")]) == []


def test_moments_of_sight_end_no_blindness() -> None:
    flickering: list[tuple[float, str | None]] = [
        (60.0 + second, "" if second % 3 == 0 else "light") for second in range(1, 61)
    ]
    said = lived(VisibilityMonitor(0.0), [(60.0, ""), *flickering, (150.0, "")])
    assert summary(said) == [("raised", "light"), ("cleared", "light")]


def test_the_reason_is_the_cause_and_not_the_learning_after_it() -> None:
    said = lived(VisibilityMonitor(0.0), [(60.0, ""), (62.0, "moved"), (90.0, "warming_up"), (120.0, "")])
    assert summary(said) == [("raised", "moved"), ("cleared", "moved")]


def test_what_an_earlier_life_has_said_is_cleared_by_this_one() -> None:
    monitor = VisibilityMonitor(1_000.0, "covered", 400.0)
    ((at_s, change),) = lived(monitor, [(1_002.0, "warming_up"), (1_030.0, "")], began_s=1_000.0)
    assert (change.state, change.reason) == ("cleared", "covered")
    assert 1_005 <= at_s <= 1_006
    assert 601 <= change.lasted_s <= 603


def test_what_could_not_be_said_stays_due() -> None:
    monitor = VisibilityMonitor(0.0)
    lived(monitor, [(60.0, "")])
    changes = [monitor.tick(60.0 + index) for index in range(20)]
    assert {change.state for change in changes if change} == {"raised"}
    assert sum(change is not None for change in changes) > 5


class Nothing:
    """A source without pictures."""

    def frames(self, stop: threading.Event) -> list[Frame]:  # noqa: ARG002 - the port
        """None."""
        return []


class Camera:
    """A reporter with clocks set by hand."""

    def __init__(self, folder: Path) -> None:
        """Begin."""
        self.now_s, self.words, self._note = 100.0, Words(), folder / "vision" / "cam-01.json"
        self._watchdog = Watchdog("cam-01", Nothing())  # type: ignore[arg-type]
        self.restart()

    def restart(self) -> None:
        """Another process."""
        noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.reporter = HealthReporter(
            "cam-01", self.words, self._note, lambda: noon + timedelta(seconds=self.now_s), lambda: self.now_s
        )

    def live(self, seconds: float, reason: str | None) -> None:
        """Let time pass with five pictures a second, or none."""
        for _ in range(round(seconds * 5)):
            self.now_s += 0.2
            if reason is not None:
                self.reporter.note_frame(reason)
            self.reporter.tick(self._watchdog)


def test_health_is_told_now_and_then_and_when_the_scene_changes(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.live(2.0, "warming_up")
    camera.live(3 * HEALTH_EVERY_S + 1, "")
    camera.live(2.0, "light")
    scenes = [(report["scene"], report["scene_ok"]) for report in camera.words.reports]
    assert scenes == [("warming_up", False), *[("armed", True)] * 4, ("light", False)]
    assert "fps" not in camera.words.reports[0]
    assert [report["fps"] for report in camera.words.reports[2:5]] == [5.0, 5.0, 5.0]
    assert camera.words.reports[-1]["blind_s"] == 2


def test_a_scene_that_flickers_is_told_once_a_second(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    for _ in range(50):
        camera.live(0.2, "light")
        camera.live(0.2, "")
    assert 15 <= len(camera.words.reports) <= 21


def test_blindness_is_told_with_its_reason_and_length(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.live(20, "")
    camera.live(30, None)
    camera.live(20, "")
    raised, (_, state, detail) = camera.words.events
    assert raised == ("blind", "raised", {"reason": "no_stream"})
    assert (state, detail["reason"]) == ("cleared", "no_stream")
    assert detail["lasted_s"] in (29, 30, 31)


def test_a_worker_that_is_killed_while_blind_clears_it_in_its_next_life(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.live(20, "")
    camera.live(30, "covered")
    camera.now_s += 50
    camera.restart()
    camera.live(20, "")
    camera.restart()
    camera.live(60, "")
    assert [(state, detail["reason"]) for _, state, detail in camera.words.events] == [
        ("raised", "covered"),
        ("cleared", "covered"),
    ]
    assert 79 <= float(str(camera.words.events[1][2]["lasted_s"])) <= 82


def test_an_event_that_the_disk_refuses_is_told_later(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.live(20, "")
    camera.words.refuses = True
    camera.live(20, "covered")
    camera.words.refuses = False
    camera.live(1, "covered")
    assert camera.words.events == [("blind", "raised", {"reason": "covered"})]


def test_a_damaged_note_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision" / "cam-01.json").write_text("{")
    camera = Camera(tmp_path)
    camera.live(20, "")
    assert camera.words.events == []
