"""How much a third-party server may send in a minute, so that nobody waits for it."""

from __future__ import annotations

from typing import Final

import msgspec

BURST_BYTES: Final = 256 << 20
"""What a server may send at once: thirty of the largest messages, or a day's backlog of a network server."""
REFILL_S: Final = 60.0
"""Seconds after which a burst may be sent again; in the long run 4 MiB a second."""


class _Account(msgspec.Struct):
    used_bytes: float = 0.0
    at_s: float = 0.0
    is_over: bool = False


class TrafficQuota:
    """Counts bytes by account. An account that is over its burst stays so until half of it is refilled."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def add(self, user: str, size: int, now_s: float) -> None:
        """Count bytes that an account has sent; `now_s` is monotonic."""
        account = self._refresh(user, now_s)
        account.used_bytes += size
        account.is_over |= account.used_bytes > BURST_BYTES

    def wait_s(self, user: str, now_s: float) -> float:
        """Seconds for which an account is to send nothing; 0 while it is within its quota."""
        if user not in self._accounts:
            return 0.0
        account = self._refresh(user, now_s)
        if not account.is_over:
            return 0.0
        return (account.used_bytes - BURST_BYTES / 2) * REFILL_S / BURST_BYTES

    def _refresh(self, user: str, now_s: float) -> _Account:
        account = self._accounts.setdefault(user, _Account(at_s=now_s))
        account.used_bytes = max(0.0, account.used_bytes - (now_s - account.at_s) * BURST_BYTES / REFILL_S)
        account.at_s = now_s
        account.is_over &= account.used_bytes > BURST_BYTES / 2
        return account
