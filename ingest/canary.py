"""A message that ingest sends to itself through the broker: whoever hears nothing, not even that, is deaf."""

from __future__ import annotations

from typing import Final

EVERY_S: Final = 5.0
DEAF_AFTER_S: Final = 15.0
"""So long without any message means that the broker passes nothing on, whatever its connection says."""


class Canary:
    """Knows when something was last heard; times are monotonic.

    Anything counts as heard: behind a long queue the canary may come late, and what comes before it proves as much.
    A new connection proves nothing until something comes over it.
    """

    def __init__(self, now_s: float) -> None:
        """Begin as if something had just been heard."""
        self._heard_s = now_s
        self._sent_s = now_s - EVERY_S
        self._connected_s = now_s

    def heard(self, now_s: float) -> None:
        """A message has come, or there was no room for any."""
        self._heard_s = now_s

    def connected(self, now_s: float) -> None:
        """There is a new connection: the next canary is due at once."""
        self._connected_s = now_s
        self._sent_s = now_s - EVERY_S

    def due(self, now_s: float) -> bool:
        """Whether the next one is to be sent; notes that it is."""
        if now_s - self._sent_s < EVERY_S:
            return False
        self._sent_s = now_s
        return True

    def age_s(self, now_s: float) -> float:
        """Seconds since something was heard."""
        return now_s - self._heard_s

    def is_deaf(self, now_s: float) -> bool:
        """Whether nothing was heard for too long."""
        return self.age_s(now_s) > DEAF_AFTER_S

    def gives_up(self, now_s: float) -> bool:
        """Whether this connection had its time and brought nothing."""
        return self.is_deaf(now_s) and now_s - self._connected_s > DEAF_AFTER_S
