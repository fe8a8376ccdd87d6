"""A provider's document that is fetched when it is needed and kept for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from people.openid.errors import ProviderAwayError, SignInRefusedError

LIFETIME_S: Final = 3600.0
REFRESH_PAUSE_S: Final = 60.0
"""Forged tokens with new key ids fetch the keys at most this often."""
FAILURE_PAUSE_S: Final = 5.0
"""Sign-ins that begin while a provider is away ask it at most this often."""

T = TypeVar("T")


class CachedDocument(Generic[T]):
    """The last fetched state of a document. Thread-safe; threads that need the same fetch wait for one.

    Args:
        fetch: Fetches it; raises the errors of `people.openid.errors`.
        monotonic_s: A monotonic clock, in seconds.
    """

    def __init__(self, fetch: Callable[[], T], monotonic_s: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._value: T | None = None
        self._fetched_s = 0.0
        self._failure: ProviderAwayError | SignInRefusedError | None = None
        self._failed_s = 0.0

    def current(self) -> T:
        """The document, not older than an hour; raises as `fetch` does."""
        with self._lock:
            if self._value is None or self._age_s() >= LIFETIME_S:
                return self._renew()
            return self._value

    def latest(self) -> T:
        """The document, fetched again unless that was done within the last minute; raises as `fetch` does."""
        with self._lock:
            if self._value is None or self._age_s() >= REFRESH_PAUSE_S:
                return self._renew()
            return self._value

    def _age_s(self) -> float:
        return self._monotonic_s() - self._fetched_s

    def _renew(self) -> T:
        if self._failure and self._monotonic_s() - self._failed_s < FAILURE_PAUSE_S:
            raise self._failure.with_traceback(None)
        try:
            value = self._fetch()
        except (ProviderAwayError, SignInRefusedError) as exc:
            self._failure, self._failed_s = exc, self._monotonic_s()
            raise
        self._failure = None
        self._value, self._fetched_s = value, self._monotonic_s()
        return value
