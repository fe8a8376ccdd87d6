"""What refuses a change of accounts."""

from __future__ import annotations

from typing import Final, Literal, get_args

from city.errors import KotaError

Refusal = Literal[
    "account_unknown",
    "account_disabled",
    "name_taken",
    "name_invalid",
    "role_unknown",
    "area_unknown",
    "rights_missing",
    "last_administrator",
    "link_invalid",
    "passkey_invalid",
    "passkey_taken",
    "passkey_unknown",
    "passkeys_too_many",
    "passkeys_unavailable",
    "password_short",
    "password_long",
    "password_weak",
    "password_wrong",
    "token_unknown",
    "session_unknown",
    "sign_in_again",
]

REFUSALS: Final[tuple[Refusal, ...]] = get_args(Refusal)


class PeopleError(KotaError):
    """A change of accounts is refused; `reason` is a key of the texts."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason


class TooManyAttemptsError(KotaError):
    """Too many sign-ins have failed; nothing was checked.

    Args:
        wait_s: Seconds after which it may be tried again.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many attempts; try again in {wait_s:.0f} s")
        self.wait_s = wait_s
