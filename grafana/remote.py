"""An existing Grafana: compares each part with the generated one, and applies the differences on a push."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

import requests
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaException

from city.errors import ConfigError, KotaError, RetryLaterError

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
_NOT_FOUND: Final = 404
_REFUSED: Final = (401, 403)
_CONFLICT: Final = (409, 412)
_SERVER_ERROR: Final = 500
_RULE_MISSING: Final = "could not find alert rule"
"""What older versions answer with status 500 instead of 404."""


class UnsupportedError(KotaError):
    """This Grafana does not support the part: its version lacks it, or its own provisioning files manage it."""


class Part(NamedTuple):
    """One resource of a Grafana. `differs` names the differences, empty if there are none; `apply` removes them."""

    name: str
    differs: Callable[[], str]
    apply: Callable[[], None]


class Outcome(NamedTuple):
    """The result for one part: its difference before a push, or why it is `unsupported` here."""

    part: str
    difference: str
    unsupported: bool = False


def connect(url: str, token: str) -> Any:  # noqa: ANN401 - the client has no types
    """A client of a Grafana's API, after one successful call.

    Raises:
        ConfigError: The address is not a URL, or the token is refused.
        RetryLaterError: Grafana does not answer.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"the address of Grafana is {url!r}, not http://... or https://...")
    if not token:
        raise ConfigError("a token of Grafana is needed: --grafana-token, or KOTA_GRAFANA_TOKEN")
    api = GrafanaApi.from_url(url, credential=token, timeout=TIMEOUT_S)
    call_api(api.folder.get_all_folders)
    return api


def version_of(api: Any, default: str) -> str:  # noqa: ANN401 - the client has no types
    """The version of a Grafana, such as `12.4.2`; the default if it is set to keep it secret."""
    return str((call_api(api.health.check) or {}).get("version") or default)


def call_api(call: Callable[[], T]) -> T:
    """The result of an API call, with the client's errors translated.

    Raises:
        ConfigError: Grafana refuses the token.
        UnsupportedError: Grafana has no such resource, or refuses to change it.
        RetryLaterError: Grafana is away or failed.
    """
    try:
        return call()
    except GrafanaException as exc:
        if exc.status_code in _REFUSED:
            raise ConfigError(f"grafana answers {exc.status_code}: the token may not do this") from exc
        is_missing_rule = exc.status_code == _SERVER_ERROR and _RULE_MISSING in str(exc.message)
        if exc.status_code == _NOT_FOUND or is_missing_rule:
            raise UnsupportedError("this Grafana does not know it") from exc
        if exc.status_code in _CONFLICT:
            raise UnsupportedError(f"kept by somebody else, by provisioning files for instance: {exc.message}") from exc
        raise RetryLaterError(f"grafana: {exc.message}") from exc
    except requests.RequestException as exc:
        raise RetryLaterError(f"grafana: {exc}") from exc


def get_or_none(call: Callable[[], T]) -> T | None:
    """The result of an API call; None if the resource does not exist."""
    try:
        return call_api(call)
    except UnsupportedError:
        return None


def compare(parts: Iterable[Part]) -> list[Outcome]:
    """The differences of every part; nothing is changed."""
    return [_outcome(part, apply=False) for part in parts]


def push(parts: Iterable[Part]) -> list[Outcome]:
    """Apply every part that differs; a second push changes nothing."""
    return [_outcome(part, apply=True) for part in parts]


def _outcome(part: Part, *, apply: bool) -> Outcome:
    try:
        difference = part.differs()
        if difference and apply:
            part.apply()
    except UnsupportedError as exc:
        return Outcome(part.name, str(exc), unsupported=True)
    return Outcome(part.name, difference)


def diff(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The names of our entries whose values differ from theirs, separated by commas."""
    return ", ".join(sorted(name for name, value in ours.items() if theirs.get(name) != value))
