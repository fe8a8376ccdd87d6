"""Names of states: which of a device's words mean that a flag of the contract is true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ingest.decoding.formats.parsing import parse_flag

_PAIRS: Final = (
    *(("open", "closed"), ("opened", "closed"), ("open", "close"), ("open", "shut"), ("ajar", "closed")),
    *(("tilt", "normal"), ("tilted", "normal"), ("tilted", "upright"), ("fallen", "upright")),
    *(("running", "stopped"), ("started", "stopped"), ("moving", "parked"), ("engaged", "disengaged")),
    *(("terbuka", "tertutup"), ("buka", "tutup"), ("nyala", "mati"), ("hidup", "mati"), ("ya", "tidak")),
)
"""A state that means yes, and its opposite."""
_STATES: Final = {word: True for word, _ in _PAIRS} | {word: False for _, word in _PAIRS}
_PLAIN: Final = ("0", "1", "0.0", "1.0", "true", "false")


def state_of(value: object) -> bool | None:
    """Whether a word or another value means yes; None when it is no state that is known."""
    flag = parse_flag(value)
    return _STATES.get(value.strip().lower()) if flag is None and isinstance(value, str) else flag


def choices_for(words: Iterable[str], *, opposite: bool = False) -> Mapping[str, bool]:
    """The choices of a profile for the states that a key has had, and for their opposites.

    Args:
        words: Texts that the key has had.
        opposite: Whether each state means the opposite.

    Returns:
        Nothing where every value is read without choices.
    """
    words = [word.strip().lower() for word in words]
    if not opposite and all(parse_flag(word) is not None for word in words):
        return {}
    others = [other for pair in _PAIRS for word in words if word in pair for other in pair]
    wanted = dict.fromkeys((*words, *others, *(_PLAIN if opposite else ())))
    return {word: state is not opposite for word in wanted if (state := state_of(word)) is not None}
