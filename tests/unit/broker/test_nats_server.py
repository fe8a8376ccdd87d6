"""What of nats-server's own log is understood; its lines are those that 2.15.1 prints."""

from __future__ import annotations

from broker.nats.server import LogLines


def test_a_client_cut_off_for_its_topic_and_one_that_says_nothing_are_told_apart_from_other_errors() -> None:
    silent: list[str] = []
    refused: list[str] = []
    lines = LogLines(silent.append, refused.append)
    lines.take("ERR", '10.0.0.7:40512 - mid:31 - "ttn" - character not supported for MQTT topics')
    lines.take("ERR", "10.0.0.8:40513 - mid:32 - authentication timeout")
    lines.take("ERR", '10.0.0.9:40514 - mid:33 - "ttn" - maximum payload exceeded: 2048603 vs 1049088')
    assert (silent, refused) == (["10.0.0.8"], ["10.0.0.7"])
