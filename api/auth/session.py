"""Sessions of the console: role and expiry, signed with the city's key. The cookie never holds a token."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

from city.runtime.secrets import ROLES, Role, Secrets

COOKIE: Final = "kota_session"
LASTS: Final = timedelta(hours=12)


def make_session(secrets: Secrets, role: Role, now: datetime) -> str:
    """A new session of a role."""
    claim = f"{role}.{int((now + LASTS).timestamp())}"
    return f"{claim}.{_sign(secrets, claim)}"


def role_of_session(secrets: Secrets, session: str, now: datetime) -> Role | None:
    """The role of a session; None if it has expired or its signature is invalid."""
    claim, _, signature = session.rpartition(".")
    if not hmac.compare_digest(_sign(secrets, claim).encode(), signature.encode()):
        return None
    name, _, ends_at = claim.partition(".")
    return next((role for role in ROLES if role == name), None) if int(ends_at) > now.timestamp() else None


def _sign(secrets: Secrets, claim: str) -> str:
    return hmac.new(secrets.session_key().encode(), claim.encode(), hashlib.sha256).hexdigest()
