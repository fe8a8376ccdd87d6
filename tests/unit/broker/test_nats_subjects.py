"""Topics and the subjects of nats-server: there and back, and what cannot be carried is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.nats.subjects import subject_of, subjects_of, topic_of
from city.errors import TopicError

carried = st.text(st.characters(exclude_characters=" \t\n\r\f\x7f\x00+#", exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("kota/v1/kupang/bin/bin-0001/event", "kota.v1.kupang.bin.bin-0001.event"),
        ("/a", "/.a"),
        ("a/", "a./"),
        ("a//b", "a./.b"),
        ("//", "/././"),
        ("a.b/c", "a//b.c"),
        ("a/./b", "a.//.b"),
        ("+/tele/#", "*.tele.>"),
    ],
)
def test_as_the_server_writes_them(topic: str, subject: str) -> None:
    assert subject_of(topic) == subject


@given(topic=carried)
def test_there_and_back(topic: str) -> None:
    assert topic_of(subject_of(topic)) == topic


@pytest.mark.parametrize("topic", ["a b", "a\tb", "a\nb", "a\x7f", "a\x00", " "])
def test_white_space_cannot_be_carried(topic: str) -> None:
    with pytest.raises(TopicError, match="cannot carry"):
        subject_of(topic)


def test_a_filter_of_all_beneath_covers_the_level_above_too() -> None:
    assert subjects_of("axis/#") == ("axis.>", "axis")
    assert subjects_of("#") == (">",)
    assert subjects_of("a/+") == ("a.*",)
