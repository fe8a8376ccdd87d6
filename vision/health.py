"""How well a camera sees: one word at any moment, seconds of blindness, and the `blind` event that tells of long ones.

Pure: knows no clock but what it is told (monotonic seconds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from broker.contract.payloads import Scene

NO_PICTURE_S: Final = 5.0
"""After so long without a picture there is no stream."""
BLIND_AFTER_S: Final = 10.0
BLIND_AT_START_S: Final = 30.0
"""The same for a camera that has not been armed yet: connecting and learning take a while."""
SEEING_AFTER_S: Final = 3.0
"""Shorter moments of sight end no blindness."""


@dataclass(frozen=True)
class Change:
    """A `blind` event that is due, and how long the blindness has lasted."""

    state: Literal["raised", "cleared"]
    reason: str
    lasted_s: float


class Sight:
    """One camera's sight since its worker began.

    Args:
        now_s: When that was.
        told: Why an earlier life of this worker has said it is blind; empty if it has not.
        told_since_s: Since when, in this life's seconds.
    """

    def __init__(self, now_s: float, told: str = "", told_since_s: float | None = None) -> None:
        """Begin without a picture."""
        self.scene: Scene = "warming_up"
        self._blind_s = 0.0
        self._ticked_s = self._picture_s = now_s
        self._told = told
        self._dark_since_s: float | None = now_s if told_since_s is None else told_since_s
        self._seeing_since_s: float | None = None
        self._reason = told
        self._armed_once = False

    @property
    def blind_s(self) -> int:
        """Seconds not armed since the worker began."""
        return int(self._blind_s)

    def see(self, reason: str, now_s: float) -> None:
        """Take note of a picture: empty when the detector was armed, else why it was not."""
        self._picture_s = now_s
        self._turn(cast("Scene", reason) if reason else "armed", now_s)

    def tick(self, now_s: float, *, too_large: bool = False) -> Change | None:
        """Let time pass; an event that is due stays due until it is `told`.

        Args:
            now_s: The time.
            too_large: Where there are no pictures, they are refused for their size.
        """
        if self.scene != "armed":
            self._blind_s += now_s - self._ticked_s
        self._ticked_s = now_s
        absence: Scene = "too_large" if too_large else "no_stream"
        if now_s - self._picture_s > NO_PICTURE_S and self.scene != absence:
            self._turn(absence, self._picture_s)
        return self._due(now_s)

    def told(self, change: Change) -> None:
        """Take note that an event has been said."""
        self._told = change.reason if change.state == "raised" else ""

    def _turn(self, scene: Scene, since_s: float) -> None:
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

    def _due(self, now_s: float) -> Change | None:
        if self._dark_since_s is None:
            return None
        seeing_s = self._seeing_since_s
        if seeing_s is not None and now_s - seeing_s >= SEEING_AFTER_S:
            if self._told:
                return Change("cleared", self._told, max(0.0, seeing_s - self._dark_since_s))
            self._dark_since_s, self._armed_once = None, True
        elif seeing_s is None and not self._told:
            limit_s = BLIND_AFTER_S if self._armed_once else BLIND_AT_START_S
            if now_s - self._dark_since_s >= limit_s:
                return Change("raised", self._reason or self.scene, now_s - self._dark_since_s)
        return None
