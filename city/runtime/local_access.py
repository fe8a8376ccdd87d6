"""What the verbs of a city's machine need of its accounts: tokens for its API, and entries of the audit."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from city.runtime.settings import Settings

LASTS: Final = timedelta(minutes=10)
_PEOPLE: Final = "people.cli"
"""Module that knows them; imported by name, because `city` must not depend on `people`."""


def local_token(settings: Settings, rights: Sequence[str]) -> str:
    """Make a token with some rights.

    Raises:
        ConfigError: There is no city in the data folder.
        RetryLaterError: The database does not answer.
    """
    token: str = importlib.import_module(_PEOPLE).make_local_token(settings, rights, LASTS)
    return token


def note_in_audit(settings: Settings, action: str, object_: str, **detail: object) -> None:
    """Note what somebody has done on the machine itself.

    Raises:
        RetryLaterError: The database does not answer.
    """
    importlib.import_module(_PEOPLE).note_locally(settings, action, object_, detail)
