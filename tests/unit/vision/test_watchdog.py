"""A source that hangs, fails or ends: nobody waits for it, and it comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from city.errors import ConfigError
from tests.support.waiting import wait_for
from tests.unit.vision.scenes import Scene
from vision.capture.port import Frame, PictureTooLargeError, StreamLostError
from vision.capture.watchdog import BACKOFF_S, HUNG_MAX, RECORDED, STABLE_AFTER_S, STREAMED, Watchdog

PICTURE = Scene().picture()


def frame(at_s: float) -> Frame:
    return Frame(PICTURE, at_s, datetime.now(UTC))


class Script:
    """A source that does what each of its connections is told to, and a monotonic clock that is set by hand."""

    def __init__(self, *acts: Callable[[threading.Event], Iterator[Frame]]) -> None:
        """Keep the acts; the last is repeated."""
        self._acts = acts
        self.now_s = 1_000.0
        self.begun = 0
        self.release = threading.Event()

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """One connection."""
        self.begun += 1
        return self._acts[min(self.begun, len(self._acts)) - 1](stop)

    def clock(self) -> float:
        """The time."""
        return self.now_s


def fails(_stop: threading.Event) -> Iterator[Frame]:
    raise StreamLostError("rtsp://host cannot be opened")
    yield


def shows(*times_s: float, then: Callable[[], object] = lambda: None) -> Callable[[threading.Event], Iterator[Frame]]:
    def act(_stop: threading.Event) -> Iterator[Frame]:
        yield from map(frame, times_s)
        then()

    return act


def lost() -> None:
    raise StreamLostError("rtsp://host has ended")


def turned(watchdog: Watchdog, script: Script, seconds: float, step_s: float = 0.5) -> None:
    """Let time pass; whatever a thread has to do meanwhile it has done."""
    for _ in range(int(seconds / step_s)):
        watchdog.tick()
        reading = watchdog._reading
        if reading is not None and reading.thread is not None and not script.release.is_set():
            reading.thread.join(0.01)
        script.now_s += step_s


def test_a_recording_is_played_once() -> None:
    script = Script(shows(0.0, 0.2, 0.4))
    watchdog = Watchdog("cam-01", script, RECORDED, script.clock)
    turned(watchdog, script, 100)
    assert watchdog.ended
    assert script.begun == 1
    assert [queued_frame.at_s for queued_frame in (watchdog.queue.get(0), watchdog.queue.get(0)) if queued_frame] == [
        0.0,
        0.2,
    ]
    assert (watchdog.reconnects, watchdog.stalls) == (0, 0)


def test_a_stream_that_never_opens_is_tried_again_less_and_less_often() -> None:
    script = Script(fails)
    watchdog = Watchdog("cam-01", script, STREAMED, script.clock)
    turned(watchdog, script, 3_600)
    assert 3_600 / BACKOFF_S[1] <= script.begun <= 3_600 / (BACKOFF_S[1] / 2) + 10
    assert (watchdog.reconnects, watchdog.ended) == (0, False)


def test_a_stream_that_comes_back_is_counted_and_its_time_goes_on() -> None:
    script = Script(shows(1.0, 1.2, then=lost), fails, shows(0.5, 9.0, then=lost))
    watchdog = Watchdog("cam-01", script, STREAMED, script.clock)
    turned(watchdog, script, 12)
    assert watchdog.reconnects >= 1
    times = [queued_frame.at_s for queued_frame in iter(lambda: watchdog.queue.get(0), None)]
    assert times[:4] == [1.0, 1.2, 1.2, 9.0]
    assert times == sorted(times)


def test_after_a_good_while_a_lost_stream_is_tried_soon() -> None:
    script = Script(*[fails] * 8, shows(1.0, then=lost))
    watchdog = Watchdog("cam-01", script, STREAMED, script.clock)
    for _ in range(8):
        watchdog._backoff.next_s()

    def held(_stop: threading.Event) -> Iterator[Frame]:
        yield frame(1.0)
        script.now_s += STABLE_AFTER_S
        yield frame(31.0)
        lost()

    script._acts = (held, fails)
    turned(watchdog, script, 2)
    assert watchdog._backoff.failures <= 1
    assert watchdog._due_s - script.now_s <= 2 * BACKOFF_S[0]


@pytest.mark.parametrize("pictures", [0, 3])
def test_a_thread_that_hangs_is_left_to_itself_and_replaced(pictures: int) -> None:
    """In opening and in reading; what it brings later is not listened to."""

    def hangs(_stop: threading.Event) -> Iterator[Frame]:
        yield from (frame(index / 5) for index in range(pictures))
        script.release.wait(30)
        yield frame(99.0)

    script = Script(hangs, shows(5.0, 5.2))
    watchdog = Watchdog("cam-01", script, STREAMED, script.clock)
    turned(watchdog, script, 30)
    assert script.begun == 2
    assert watchdog.stalls == 1
    assert len(watchdog._hung) == 1
    script.release.set()
    wait_for(lambda: watchdog._hung[0].is_over, "the hung thread to end")
    times = [queued_frame.at_s for queued_frame in iter(lambda: watchdog.queue.get(0), None)]
    assert times == [*(index / 5 for index in range(pictures)), 5.0, 5.2]


def test_hanging_threads_are_bounded_and_stop_waits_for_none() -> None:
    script = Script()

    def hangs(_stop: threading.Event) -> Iterator[Frame]:
        script.release.wait(60)
        yield frame(0.0)

    script._acts = (hangs,)
    watchdog = Watchdog("cam-01", script, STREAMED, script.clock)
    turned(watchdog, script, 1_000)
    assert script.begun == HUNG_MAX
    watchdog.stop(0.0)
    script.release.set()
    wait_for(lambda: all(hung.is_over for hung in watchdog._hung), "the hung threads to end")
    turned(watchdog, script, 60)
    assert script.begun > HUNG_MAX


def test_a_recording_may_take_all_the_time_it_wants() -> None:
    script = Script()

    def slow(_stop: threading.Event) -> Iterator[Frame]:
        script.release.wait(60)
        yield frame(0.0)

    script._acts = (slow,)
    watchdog = Watchdog("cam-01", script, RECORDED, script.clock)
    turned(watchdog, script, 100)
    script.release.set()
    wait_for(lambda: watchdog.queue.get(0), "the picture")
    assert (script.begun, watchdog.stalls) == (1, 0)


def test_what_is_of_no_use_blinds_this_camera_alone() -> None:
    def unusable(_stop: threading.Event) -> Iterator[Frame]:
        raise ConfigError("clip.mp4: not a video that can be read")
        yield

    script = Script(unusable)
    watchdog = Watchdog("cam-01", script, RECORDED, script.clock)
    turned(watchdog, script, 100)
    assert (watchdog.ended, script.begun) == (True, 1)


def test_what_nobody_has_foreseen_is_not_hidden() -> None:
    def broken(_stop: threading.Event) -> Iterator[Frame]:
        raise ZeroDivisionError
        yield

    script = Script(broken)
    watchdog = Watchdog("cam-01", script, RECORDED, script.clock)
    with pytest.raises(ZeroDivisionError):
        turned(watchdog, script, 5)


def too_large() -> None:
    raise PictureTooLargeError("rtsp://host sends 8000 x 8000 pixels, more than 9437184")


def test_a_camera_whose_pictures_are_too_large_is_tried_again_and_says_so_until_one_comes() -> None:
    script = Script(shows(then=too_large), shows(then=too_large), shows(0.0, then=lost))
    watchdog = Watchdog("cam-01", script, STREAMED, script.clock)
    turned(watchdog, script, 1)
    assert (watchdog.too_large, watchdog.ended) == (True, False)
    wait_for(lambda: turned(watchdog, script, 10) or watchdog.queue.get(0), "a picture that is small enough")
    assert (watchdog.too_large, script.begun >= 3) == (False, True)


def test_a_recording_whose_pictures_are_too_large_is_over() -> None:
    script = Script(shows(then=too_large))
    watchdog = Watchdog("cam-01", script, RECORDED, script.clock)
    turned(watchdog, script, 100)
    assert (watchdog.too_large, watchdog.ended, script.begun) == (True, True, 1)
