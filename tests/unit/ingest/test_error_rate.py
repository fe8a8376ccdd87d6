"""Too many bad messages of a device or of all raise an alarm, few do not, and it ends when they are good again."""

from __future__ import annotations

from ingest.pipeline.error_rate import DEVICES_MAX, ErrorRateMonitor


def topic(number: int = 1) -> str:
    return f"kota/v1/kupang/bin/bin-{number}/telemetry"


def subjects(share: ErrorRateMonitor) -> list[str]:
    return [alarm.subject for alarm in share.alarms]


def test_a_device_whose_messages_are_mostly_bad_is_named() -> None:
    share = ErrorRateMonitor()
    for number in range(1_000):
        share.observe(topic(2), bad=False)
        share.observe(topic(1), bad=number < 12 and number % 3 != 0)
    assert subjects(share) == []
    for _ in range(50):
        share.observe(topic(1), bad=True)
    assert subjects(share) == ["kota/v1/kupang/bin/bin-1"]


def test_nine_bad_messages_are_not_enough_and_ten_are() -> None:
    share = ErrorRateMonitor()
    for _ in range(9):
        share.observe(topic(), bad=True)
    assert subjects(share) == []
    share.observe(topic(), bad=True)
    assert subjects(share) == ["kota/v1/kupang/bin/bin-1"]


def test_an_alarm_ends_when_the_device_is_good_again() -> None:
    share = ErrorRateMonitor()
    for _ in range(50):
        share.observe(topic(), bad=True)
    for _ in range(500):
        share.observe(topic(), bad=False)
    assert subjects(share) == []


def test_bad_messages_of_ever_new_devices_raise_the_alarm_of_all() -> None:
    share = ErrorRateMonitor()
    for number in range(1_000):
        share.observe(topic(number) if number % 4 == 0 else "v3/a/devices/b/up", bad=number % 4 == 0)
    assert subjects(share) == ["*"]


def test_made_up_topics_do_not_grow_without_end() -> None:
    share = ErrorRateMonitor()
    for number in range(DEVICES_MAX + 50):
        share.observe(topic(number), bad=True)
    assert len(share._devices) == DEVICES_MAX
