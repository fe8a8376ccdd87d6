"""A client that loses its connection waits longer each time, also when the broker lets it in and drops it again."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from broker.client import RECONNECT_MAX_S, RECONNECT_MIN_S, Connection, ConnectionParams, Delivery
from city.backoff import Backoff


class Ceilings:
    """Chance that never waits, and keeps how long it might have."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def uniform(self, _a: float, b: float) -> float:
        self.seen.append(b)
        return 0.0


class DroppedAtOnce(Connection):
    """Is let in, or not, and loses its connection right away."""

    def __init__(self, *, is_let_in: bool, attempts: int, stop: threading.Event) -> None:
        super().__init__(ConnectionParams("127.0.0.1", 1, "u", "p", "u"))
        self.chance = Ceilings()
        self._backoff = Backoff(RECONNECT_MIN_S, RECONNECT_MAX_S, uniform=self.chance.uniform)
        self._is_let_in, self._attempts, self._stopping = is_let_in, attempts, stop

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        return len(deliveries)

    def _serve(self, _stop: threading.Event) -> None:
        if self._is_let_in:
            self._note_connected(session_present=False)
        if self.generation == self._attempts:
            self._stopping.set()
        raise OSError("gone")


@pytest.mark.parametrize("is_let_in", [True, False])
def test_a_connection_that_ends_at_once_counts_as_a_failure(is_let_in: bool) -> None:  # noqa: FBT001
    stop = threading.Event()
    client = DroppedAtOnce(is_let_in=is_let_in, attempts=9, stop=stop)
    client.run(stop)
    assert client.chance.seen[:3] == [RECONNECT_MIN_S, RECONNECT_MIN_S * 2, RECONNECT_MIN_S * 4]
    assert client.chance.seen[-1] == RECONNECT_MAX_S


def test_nothing_is_read_while_the_listener_is_full_and_nothing_is_lost_when_it_has_room_again() -> None:
    client = DroppedAtOnce(is_let_in=True, attempts=1, stop=threading.Event())
    taken: list[Delivery] = []
    room = threading.Event()
    client.listen(on_messages=taken.extend, has_room=room.is_set)
    delivery = Delivery("a", b"1", retained=False, packet_id=1, qos=1, generation=1)
    waiting = threading.Thread(target=client._deliver, args=([delivery],), daemon=True)
    waiting.start()
    assert taken == []
    room.set()
    waiting.join(10)
    assert taken == [delivery]


def test_a_full_listener_does_not_hold_up_the_end() -> None:
    client = DroppedAtOnce(is_let_in=True, attempts=1, stop=threading.Event())
    taken: list[Delivery] = []
    client.listen(on_messages=taken.extend, has_room=lambda: False)
    client._stop.set()
    client._deliver([Delivery("a", b"1", retained=False, packet_id=1, qos=1, generation=1)])
    assert taken == []
