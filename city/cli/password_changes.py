"""`kota credentials DEVICE --renew`, `--revoke` and `kota credentials --list`: passwords changed one at a time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from city.runtime.local_access import note_in_audit
from city.runtime.password_changes import PasswordChange, PasswordChanges, utc_now
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings

OVERLAP_H: Final = 24.0
OVERLAP_MAX_H: Final = 8_760.0
MOSQUITTO_NOTE: Final = (
    "with Mosquitto: `kota mosquitto` and SIGHUP put it in force; the old password ends there at once, without overlap"
)


def renew(settings: Settings, user: str, overlap_h: float, *, as_json: bool) -> None:
    """Make a new password and print it, once."""
    derived = Secrets(settings.data).password(user)
    changes = PasswordChanges(settings.data)
    password, change = changes.renew(user, derived, timedelta(hours=overlap_h), utc_now())
    note_in_audit(settings, "device.password", user, old_valid_until=_old_until(change))
    until = _old_until(change)
    if as_json:
        print(json.dumps({"user": user, "password": password, "client_id": user, "old_valid_until": until}))
        return
    print(f"user: {user}\npassword: {password}\nclient_id: {user}")
    print(f"old password: {f'valid until {until}' if until else 'refused from now on'}")
    print(f"Only a hash of the new password is kept: it is not shown again.\n{MOSQUITTO_NOTE}")


def revoke(settings: Settings, user: str) -> None:
    """Have every password of an account refused."""
    PasswordChanges(settings.data).revoke(user, utc_now())
    note_in_audit(settings, "device.revoke", user)
    print(f"revoked: {user}; `kota credentials {user} --renew` makes a new password")
    print("with Mosquitto: `kota mosquitto` and SIGHUP put it in force")


def show_changes(settings: Settings, *, as_json: bool) -> None:
    """Print which accounts have a changed password; no secret."""
    rows = [_row(user, change) for user, change in PasswordChanges(settings.data).changes().items()]
    if as_json:
        print(json.dumps({"passwords": rows}))
        return
    for row in rows:
        since = f" since {row['changed_at']}" if row["changed_at"] else ""
        old = f", old password valid until {row['old_valid_until']}" if row["old_valid_until"] else ""
        print(f"{row['user']}: {row['state']}{since}{old}")
    if not rows:
        print("no password was changed: each is derived from the city's key")


def _row(user: str, change: PasswordChange | None) -> dict[str, Any]:
    if change is None:
        return {"user": user, "state": "unreadable", "changed_at": None, "old_valid_until": None}
    state = "changed" if change.hash else "revoked"
    changed_at = change.changed_at.isoformat(timespec="seconds")
    return {"user": user, "state": state, "changed_at": changed_at, "old_valid_until": _old_until(change)}


def _old_until(change: PasswordChange) -> str | None:
    """The time until which an old password is valid, ISO 8601 in UTC; None if there is none."""
    until = max((old.until for old in change.old_at(utc_now())), default=None)
    return until.isoformat(timespec="seconds") if until else None
