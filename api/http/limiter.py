"""Limits of long-lived connections, per client and in total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from city.errors import KotaError


class TooManyError(KotaError):
    """The limit is reached; the message names the limit."""


class ConcurrencyLimiter:
    """Limits concurrent connections per client and in total. Used by the event loop only.

    Args:
        what: The name of what is counted, in the plural.
        per_client: Limit per client.
        total: Limit of all clients together.
    """

    def __init__(self, what: str, *, per_client: int, total: int) -> None:
        self._what = what
        self._per_client = per_client
        self._total = total
        self._open: Counter[str] = Counter()

    @property
    def in_use(self) -> int:
        """Number of open connections."""
        return self._open.total()

    @contextmanager
    def acquire(self, client: str) -> Iterator[None]:
        """Count one connection while the context is open.

        Raises:
            TooManyError: The client's limit or the total limit is reached.
        """
        if self._open[client] >= self._per_client:
            raise TooManyError(f"you have {self._per_client} {self._what} open already; close one first")
        if self.in_use >= self._total:
            raise TooManyError(f"{self._total} {self._what} are open already, of all people together; try again later")
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
