"""Simulated cameras: their health only; the picture is the vision worker's."""

from __future__ import annotations

from typing import Final

from city.inventory.model import Camera
from edge.simulator.emission import Emission, EventEmission, StatusEmission, TelemetryEmission, Values, instant
from edge.simulator.habits import ReportSchedule, Spells
from edge.simulator.scene import Scene

DOWN_SHARE: Final = 0.01
DOWN_S: Final = (1_800.0, 10_800.0)
BLIND_SHARE: Final = 0.008
BLIND_S: Final = (900.0, 5_400.0)
DAY_S: Final = 86_400.0
DARK_HOURS: Final = (6.0, 18.0)
"""Before the first and after the second it is dark: less detail in the picture, fewer bits."""


class SimulatedCamera:
    """One camera; rarely blind for a while, more rarely offline."""

    def __init__(self, device: Camera, scene: Scene) -> None:
        self.device = device
        self._scene = scene
        self._random = random = scene.random_of(device.id)
        self._fps = random.uniform(8.0, 14.0)
        self._bitrate_kbps = random.uniform(700.0, 2_200.0)
        self._outage = Spells(DOWN_SHARE, DOWN_S, scene.start_s, random)
        self._blind = Spells(BLIND_SHARE, BLIND_S, scene.start_s, random)
        self._reported_blind = False
        self._schedule = ReportSchedule(scene.start_s, device.interval_s, random)
        self._up_since_s = scene.start_s - random.uniform(3_600.0, 20 * DAY_S)
        self._dropped_frames = (scene.start_s - self._up_since_s) * self._fps * 0.001
        self._blind_s = 0.0
        self._counted_at_s = scene.start_s

    @property
    def due_s(self) -> float:
        """When the next report is due, seconds since 1970."""
        changes_s = min(self._outage.next_s, self._blind.next_s)
        return changes_s if self._outage.on else min(changes_s, self._schedule.next_s)

    def wake(self) -> list[Emission]:
        """The emissions due at `due_s`; schedules the next ones."""
        at_s = self.due_s
        if self._outage.next_s <= at_s:
            return self._change_outage(at_s)
        if self._blind.next_s <= at_s:
            self._blind.change()
            return self._report_blind(at_s)
        return self._report(at_s)

    def _change_outage(self, at_s: float) -> list[Emission]:
        self._outage.change()
        if self._outage.on:
            return [StatusEmission(self.device.id, instant(at_s), "offline", "lost")]
        self._up_since_s = self._counted_at_s = at_s
        self._dropped_frames = self._blind_s = 0.0
        return [StatusEmission(self.device.id, instant(at_s), "online"), *self._report_blind(at_s), *self._report(at_s)]

    def _report_blind(self, at_s: float) -> list[Emission]:
        """Report a change of sight; an offline camera reports it once it is back."""
        if self._outage.on or self._reported_blind == self._blind.on:
            return []
        self._reported_blind = self._blind.on
        return [
            EventEmission(self.device.id, instant(at_s), "covered", "raised" if self._reported_blind else "cleared")
        ]

    def _report(self, at_s: float) -> list[Emission]:
        fps = max(self._fps + self._random.gauss(0, 0.5), 4.5)
        passed_s = max(at_s - self._counted_at_s, 0.0)
        self._dropped_frames += passed_s * fps * self._random.expovariate(1_000.0)
        self._blind_s += passed_s if self._blind.on else 0.0
        self._counted_at_s = at_s
        self._schedule.after(at_s)
        return [TelemetryEmission(self.device.id, instant(at_s), self._values(at_s, fps))]

    def _values(self, at_s: float, fps: float) -> Values:
        dark = not DARK_HOURS[0] <= self._scene.hour(at_s) <= DARK_HOURS[1]
        detail = 0.15 if self._blind.on else 0.7 if dark else 1.0
        return {
            "fps": round(fps, 1),
            "dropped_frames": int(self._dropped_frames),
            "bitrate_kbps": round(self._bitrate_kbps * detail * self._random.uniform(0.85, 1.15), 0),
            "scene_ok": not self._blind.on,
            "uptime_s": int(at_s - self._up_since_s),
            "scene": "covered" if self._blind.on else "armed",
            "blind_s": int(self._blind_s),
            "reconnects": 0,
        }
