"""A Grafana that is there already: each part is compared with ours and, when pushed, made the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

import requests
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaException

from broker.contract.errors import ConfigError, KotaError, RetryLaterError

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
_NOT_FOUND: Final = 404
_NOT_LET_IN: Final = (401, 403)
_CONFLICT: Final = (409, 412)


class LackingError(KotaError):
    """This Grafana cannot have this part: its version lacks it, or somebody else keeps it."""


class Part(NamedTuple):
    """One thing a Grafana shall have. `differs` says what is wrong, empty when nothing is; `mend` makes it so."""

    name: str
    differs: Callable[[], str]
    mend: Callable[[], None]


class Outcome(NamedTuple):
    """What was found of a part; `lacking` when it cannot be had here."""

    part: str
    difference: str
    lacking: bool = False


def connect(url: str, token: str) -> Any:  # noqa: ANN401 - the client has no types
    """The API of a Grafana, after it has answered.

    Raises:
        ConfigError: The address is none, or the token is not accepted.
        RetryLaterError: It does not answer.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"the address of Grafana is {url!r}, not http://... or https://...")
    if not token:
        raise ConfigError("a token of Grafana is needed: --grafana-token, or KOTA_GRAFANA_TOKEN")
    api = GrafanaApi.from_url(url, credential=token, timeout=TIMEOUT_S)
    asked(api.folder.get_all_folders)
    return api


def asked(call: Callable[[], T]) -> T:
    """An answer, with the client's errors as ours.

    Raises:
        ConfigError: It does not let us in.
        LackingError: It has no such thing, or does not let it be changed.
        RetryLaterError: It is away or failed.
    """
    try:
        return call()
    except GrafanaException as exc:
        if exc.status_code in _NOT_LET_IN:
            raise ConfigError(f"grafana answers {exc.status_code}: the token may not do this") from exc
        if exc.status_code == _NOT_FOUND:
            raise LackingError("this Grafana does not know it") from exc
        if exc.status_code in _CONFLICT:
            raise LackingError(f"kept by somebody else, by provisioning files for instance: {exc.message}") from exc
        raise RetryLaterError(f"grafana: {exc.message}") from exc
    except requests.RequestException as exc:
        raise RetryLaterError(f"grafana: {exc}") from exc


def found(call: Callable[[], T]) -> T | None:
    """An answer, None where there is nothing of that name."""
    try:
        return asked(call)
    except LackingError:
        return None


def compare(parts: Iterable[Part]) -> list[Outcome]:
    """What differs, of every part."""
    return [_outcome(part, mend=False) for part in parts]


def push(parts: Iterable[Part]) -> list[Outcome]:
    """Make every part the same where it differs; a second time there is nothing to do."""
    return [_outcome(part, mend=True) for part in parts]


def _outcome(part: Part, *, mend: bool) -> Outcome:
    try:
        difference = part.differs()
        if difference and mend:
            part.mend()
    except LackingError as exc:
        return Outcome(part.name, str(exc), lacking=True)
    return Outcome(part.name, difference)


def unequal(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Which of our entries are not the same there."""
    return ", ".join(sorted(name for name, value in ours.items() if theirs.get(name) != value))
