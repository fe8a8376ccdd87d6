"""`kota kiosk`: creates the Grafana user of the kiosk screen, with the role viewer."""

from __future__ import annotations

import argparse
from typing import Final

from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError

from city.errors import ConfigError, RetryLaterError
from city.i18n.catalogue import DASHBOARD_TEXTS
from city.runtime.options import add_settings, settings_from

LOGIN: Final = "wall"
"""Existing installations have this user; a new name would leave the old account behind."""
_ADMIN: Final = "admin"


def run(argv: list[str]) -> int:
    """Create the user or update its password; if both are as set, nothing is changed."""
    parser = argparse.ArgumentParser(
        prog="kota kiosk",
        description=f"Create Grafana's user {LOGIN!r} with the role of new users, which is viewer. Passwords come from "
        "the environment: KOTA_GRAFANA_ADMIN_PASSWORD, KOTA_GRAFANA_WALL_PASSWORD.",
    )
    add_settings(parser, ("grafana_url",))
    settings = settings_from(parser.parse_args(argv))
    admin, kiosk = (
        secret.get_secret_value() for secret in (settings.grafana_admin_password, settings.grafana_wall_password)
    )
    if not admin or not kiosk:
        raise ConfigError("set KOTA_GRAFANA_ADMIN_PASSWORD and KOTA_GRAFANA_WALL_PASSWORD")
    try:
        print(f"Grafana's user {LOGIN!r} {ensure_user(settings.grafana_url, admin, kiosk)}")
    except GrafanaUnauthorizedError as exc:
        raise ConfigError(f"{settings.grafana_url} does not know this password of {_ADMIN!r}") from exc
    except (GrafanaException, OSError) as exc:
        raise RetryLaterError(f"{settings.grafana_url}: {exc}") from exc
    return 0


def ensure_user(url: str, admin_password: str, password: str) -> str:
    """Create the user or update its password; returns what was done, in words.

    Raises:
        GrafanaException: Grafana refuses; `GrafanaUnauthorizedError` means that the administrator's password is wrong.
        OSError: Grafana is away.
    """
    if _may_enter(url, password):
        return "is there"
    api = GrafanaApi.from_url(url, (_ADMIN, admin_password))
    try:
        user = api.users.find_user(LOGIN)
    except GrafanaUnauthorizedError:
        raise
    except GrafanaClientError:
        name = DASHBOARD_TEXTS.in_all("kiosk.user")
        api.admin.create_user({"name": name, "login": LOGIN, "password": password, "OrgId": 1})
        return "was made"
    api.admin.change_user_password(user["id"], password)
    return "has a new password"


def _may_enter(url: str, password: str) -> bool:
    try:
        GrafanaApi.from_url(url, (LOGIN, password)).user.get_actual_user()
    except GrafanaUnauthorizedError:
        return False
    return True
