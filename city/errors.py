"""The errors that decide what happens to a message; every service raises and handles these only."""

from __future__ import annotations

from collections.abc import Mapping


class KotaError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(KotaError):
    """Settings or the inventory are wrong; the command line shows the message and exits with 2."""


class TopicError(KotaError):
    """This topic is not one of the contract's or of a known adapter's; the message becomes a dead letter."""


class PayloadError(KotaError):
    """This payload can never be understood; the message becomes a dead letter with this text as its reason."""


class RetryLaterError(KotaError):
    """A dependency is absent or busy; keep the messages and try again.

    Args:
        message: What is absent and how it answered.
        retry_after_s: Seconds the dependency asked for, None when it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageError(RetryLaterError):
    """This machine's disk refused: it is full, read-only, broken or not mounted; nothing has changed on it."""


class RowsRejectedError(KotaError):
    """The store refused some rows of a batch for good and stored none of it.

    Args:
        rejected: Index in the batch to the reason; resend the batch without these.
    """

    def __init__(self, rejected: Mapping[int, str]) -> None:
        super().__init__(f"{len(rejected)} rows refused: {next(iter(rejected.values()), '')}")
        self.rejected = dict(rejected)
