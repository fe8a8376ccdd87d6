"""The HTTP answers to what `people` refuses."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException

from people.errors import PeopleError, Refusal, TooManyAttemptsError

_STATUS: Final[dict[Refusal, int]] = {
    "account_unknown": 404,
    "session_unknown": 404,
    "token_unknown": 404,
    "passkey_unknown": 404,
    "name_taken": 409,
    "last_administrator": 409,
    "passkey_taken": 409,
    "passkeys_too_many": 409,
    "passkeys_unavailable": 409,
    "sign_in_again": 403,
}
"""Status of a refusal; 422 of others."""


def problem_of(exc: PeopleError | TooManyAttemptsError) -> HTTPException:
    """The answer to a refusal; 429 says in its header how long to wait."""
    if isinstance(exc, TooManyAttemptsError):
        return HTTPException(429, str(exc), {"Retry-After": str(int(exc.wait_s) + 1)})
    return HTTPException(_STATUS.get(exc.reason, 422), str(exc))
