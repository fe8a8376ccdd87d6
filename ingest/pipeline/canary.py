"""A canary: a message that ingest sends to itself through the broker to prove that the broker delivers."""

from __future__ import annotations

from typing import Final

EVERY_S: Final = 5.0
DEAF_AFTER_S: Final = 15.0
"""Silence from which on the broker delivers nothing, even though its connection stands."""


class Canary:
    """Tracks when the last message arrived; times are monotonic seconds.

    Any message counts: behind a long queue the canary itself may be late. A new connection counts only after a message
    has come over it.
    """

    def __init__(self, now_s: float) -> None:
        self._heard_s = now_s
        self._sent_s = now_s - EVERY_S
        self._connected_s = now_s

    def on_message(self, now_s: float) -> None:
        """Note that a message arrived, or that intake was full and could take none."""
        self._heard_s = now_s

    def on_connected(self, now_s: float) -> None:
        """Note a new connection; the next canary is due at once."""
        self._connected_s = now_s
        self._sent_s = now_s - EVERY_S

    def due(self, now_s: float) -> bool:
        """Whether a canary is due now; if so, note that it is sent."""
        if now_s - self._sent_s < EVERY_S:
            return False
        self._sent_s = now_s
        return True

    def age_s(self, now_s: float) -> float:
        """Seconds since the last message."""
        return now_s - self._heard_s

    def is_deaf(self, now_s: float) -> bool:
        """Whether no message arrived for `DEAF_AFTER_S`."""
        return self.age_s(now_s) > DEAF_AFTER_S

    def gives_up(self, now_s: float) -> bool:
        """Whether the present connection has brought no message for `DEAF_AFTER_S`."""
        return self.is_deaf(now_s) and now_s - self._connected_s > DEAF_AFTER_S
