"""Tokens with which the verbs of a city's machine ask its API; they expire within minutes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from city.runtime.settings import Settings

LASTS: Final = timedelta(minutes=10)
_PEOPLE: Final = "people.cli"
"""Module that makes them; imported by name, because `city` must not depend on `people`."""


def local_token(settings: Settings, rights: Sequence[str]) -> str:
    """Make a token with some rights.

    Raises:
        ConfigError: There is no city in the data folder.
        RetryLaterError: The database does not answer.
    """
    token: str = importlib.import_module(_PEOPLE).make_local_token(settings, rights, LASTS)
    return token
