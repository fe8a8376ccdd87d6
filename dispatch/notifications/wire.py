"""What the server and a process that sends tell each other, as JSON: one request, one result."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

FailureReason = Literal[
    "",
    "connection",
    "certificate",
    "timeout",
    "refused",
    "busy",
    "server",
    "address",
    "not_installed",
    "ended",
    "undelivered",
]
"""Why a message was not delivered; empty if it was. None of them has a part of the address.

connection: nobody answers there. certificate: TLS failed. timeout: no answer in time. refused: the service refuses the
message or the account. busy: it asks to come later. server: it has failed. address: `apprise` does not understand the
address. not_installed: there is no `apprise` here. ended: the process ended without a result. undelivered: another one.
"""
_NOT_TAKEN: Final[frozenset[FailureReason]] = frozenset(
    {"connection", "certificate", "refused", "busy", "address", "not_installed"}
)


class SendRequest(msgspec.Struct, frozen=True):
    """A message, or, with `check`, an address that is to be understood and not used.

    `key` is the same in each attempt of a message: a service that knows it may drop the second one.
    """

    url: str
    title: str = ""
    body: str = ""
    key: str = ""
    check: bool = False


class SendResult(msgspec.Struct, frozen=True):
    """The result. `status`: the service's own code, HTTP or SMTP, 0 without one. `retry_after_s`: what it asked for."""

    reason: FailureReason = ""
    status: int = 0
    retry_after_s: float | None = None

    @property
    def sent(self) -> bool:
        """Whether the service has taken the message."""
        return not self.reason

    @property
    def is_silence(self) -> bool:
        """Whether the service has said nothing: it may have the message, or hang for hours."""
        return self.reason in ("timeout", "ended")

    @property
    def surely_not_taken(self) -> bool:
        """Whether the service surely has not taken it; after a silence it may have."""
        return self.reason in _NOT_TAKEN

    def __str__(self) -> str:
        """The reason and the code, for people who search a cause."""
        return f"{self.reason} {self.status}" if self.status else self.reason
