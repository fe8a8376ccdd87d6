"""What is remembered between the start and the end of a sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

ATTEMPT_LIFETIME: Final = timedelta(minutes=10)


class SignInAttempt(msgspec.Struct, frozen=True):
    """One sign-in that a browser has begun.

    The caller keeps it on the server and gives the browser a reference to it. `state` binds the provider's callback to
    the attempt, `nonce` the token, and `verifier` (PKCE) the code.
    """

    issuer: str
    state: str
    nonce: str
    verifier: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"SignInAttempt(issuer={self.issuer!r}, expires_at={self.expires_at.isoformat()})"
