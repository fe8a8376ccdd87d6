"""Visibility of a camera: its scene state, seconds without sight, and the `blind` event of a long loss of sight.

Pure: each call gets the time in monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from broker.contract.payloads import Scene

NO_PICTURE_S: Final = 5.0
"""Without a picture for this long, the scene is `no_stream`."""
BLIND_AFTER_S: Final = 10.0
BLIND_AT_START_S: Final = 30.0
"""`BLIND_AFTER_S` of a camera that has not been armed yet: connecting and learning take a while."""
SEEING_AFTER_S: Final = 3.0
"""The camera must be armed for this long before `blind` is cleared."""


@dataclass(frozen=True)
class BlindChange:
    """A `blind` event to publish; `lasted_s` is the duration of the blindness so far."""

    state: Literal["raised", "cleared"]
    reason: str
    lasted_s: float


class VisibilityMonitor:
    """Visibility of one camera since its worker started.

    Args:
        now_s: Time of the start.
        raised_reason: Reason of a `blind` event that an earlier process raised and did not clear; empty if none.
        raised_since_s: Start of that blindness, in monotonic seconds of this process.
    """

    def __init__(self, now_s: float, raised_reason: str = "", raised_since_s: float | None = None) -> None:
        self.scene: Scene = "warming_up"
        self._blind_s = 0.0
        self._advanced_s = self._picture_s = now_s
        self._raised_reason = raised_reason
        self._dark_since_s: float | None = now_s if raised_since_s is None else raised_since_s
        self._seeing_since_s: float | None = None
        self._reason = raised_reason
        self._armed_once = False

    @property
    def blind_s(self) -> int:
        """Seconds not armed since the worker began."""
        return int(self._blind_s)

    def note_frame(self, reason: str, now_s: float) -> None:
        """Note the detector's result for a picture: `reason` is why it was not armed, empty if it was."""
        self._picture_s = now_s
        self._set_scene(cast("Scene", reason) if reason else "armed", now_s)

    def tick(self, now_s: float, *, too_large: bool = False) -> BlindChange | None:
        """Advance the time; an event that is due is returned again until it is acknowledged.

        Args:
            now_s: The time.
            too_large: Whether the source's pictures are refused for their size.
        """
        if self.scene != "armed":
            self._blind_s += now_s - self._advanced_s
        self._advanced_s = now_s
        absence: Scene = "too_large" if too_large else "no_stream"
        if now_s - self._picture_s > NO_PICTURE_S and self.scene != absence:
            self._set_scene(absence, self._picture_s)
        return self._due(now_s)

    def acknowledge(self, change: BlindChange) -> None:
        """Note that an event has been published."""
        self._raised_reason = change.reason if change.state == "raised" else ""

    def _set_scene(self, scene: Scene, since_s: float) -> None:
        self.scene = scene
        if scene == "armed":
            self._seeing_since_s = since_s if self._seeing_since_s is None else self._seeing_since_s
            return
        self._seeing_since_s = None
        if self._dark_since_s is None:
            self._dark_since_s, self._reason = since_s, ""
        # Learning follows upon every other reason, which is the one to tell.
        if scene != "warming_up" or not self._reason:
            self._reason = scene

    def _due(self, now_s: float) -> BlindChange | None:
        if self._dark_since_s is None:
            return None
        seeing_s = self._seeing_since_s
        if seeing_s is not None and now_s - seeing_s >= SEEING_AFTER_S:
            if self._raised_reason:
                return BlindChange("cleared", self._raised_reason, max(0.0, seeing_s - self._dark_since_s))
            self._dark_since_s, self._armed_once = None, True
        elif seeing_s is None and not self._raised_reason:
            limit_s = BLIND_AFTER_S if self._armed_once else BLIND_AT_START_S
            if now_s - self._dark_since_s >= limit_s:
                return BlindChange("raised", self._reason or self.scene, now_s - self._dark_since_s)
        return None
