"""How a sign-in by OpenID Connect fails: the provider is away, or the sign-in is refused for a reason."""

from __future__ import annotations

from typing import Final, Literal

from city.errors import KotaError, RetryLaterError

RefusalReason = Literal[
    "access_token_hash",
    "algorithm",
    "audience",
    "authorized_party",
    "callback",
    "expired",
    "issued_at",
    "issuer",
    "metadata",
    "no_role",
    "nonce",
    "provider_answer",
    "provider_refused",
    "signature",
    "state",
    "subject",
    "token",
    "token_expired",
]
"""`expired` is the attempt, `token_expired` the provider's token. `metadata` is a discovery document that contradicts
the settings, `provider_answer` an HTTP answer of another form, `provider_refused` an error that the provider states."""

DETAIL_CHARS_MAX: Final = 120


class ProviderAwayError(RetryLaterError):
    """The provider does not answer, or answers that it is unavailable; the person tries again later."""


class SignInRefusedError(KotaError):
    """This sign-in ends without an identity.

    Args:
        reason: What is wrong, for programs.
        detail: What is wrong, for an operator's log; control characters and everything after 120 characters are cut.
    """

    def __init__(self, reason: RefusalReason, detail: str = "") -> None:
        self.reason: RefusalReason = reason
        self.detail = clip(detail)
        super().__init__(f"{reason}: {self.detail}" if detail else reason)


def clip(text: str, chars_max: int = DETAIL_CHARS_MAX) -> str:
    """A provider's text without control characters, cut to a length."""
    return "".join(char if char.isprintable() else " " for char in text[:chars_max])
