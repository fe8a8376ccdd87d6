"""`kota wall`: makes Grafana's user of the screen on the wall, who may look and nothing else."""

from __future__ import annotations

import argparse
from typing import Final

from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError

from broker.contract.errors import ConfigError, RetryLaterError
from city.options import add_settings, settings_from

LOGIN: Final = "wall"
_NAME: Final = "Layar / Wall"
_ADMIN: Final = "admin"


def run(argv: list[str]) -> int:
    """Make the user, or give it the password that is set; nothing when both are so already."""
    parser = argparse.ArgumentParser(
        prog="kota wall",
        description=f"Make Grafana's user {LOGIN!r} with the role of new users, which is viewer. Passwords come from "
        "the environment: KOTA_GRAFANA_ADMIN_PASSWORD, KOTA_GRAFANA_WALL_PASSWORD.",
    )
    add_settings(parser, ("grafana_url",))
    settings = settings_from(parser.parse_args(argv))
    admin, wall = (
        secret.get_secret_value() for secret in (settings.grafana_admin_password, settings.grafana_wall_password)
    )
    if not admin or not wall:
        raise ConfigError("set KOTA_GRAFANA_ADMIN_PASSWORD and KOTA_GRAFANA_WALL_PASSWORD")
    try:
        print(f"Grafana's user {LOGIN!r} {ensure(settings.grafana_url, admin, wall)}")
    except GrafanaUnauthorizedError as exc:
        raise ConfigError(f"{settings.grafana_url} does not know this password of {_ADMIN!r}") from exc
    except (GrafanaException, OSError) as exc:
        raise RetryLaterError(f"{settings.grafana_url}: {exc}") from exc
    return 0


def ensure(url: str, admin_password: str, password: str) -> str:
    """What was done, in words.

    Raises:
        GrafanaException: Grafana refuses; the password of the administrator is wrong when it is the one of 401.
        OSError: It is away.
    """
    if _may_enter(url, password):
        return "is there"
    api = GrafanaApi.from_url(url, (_ADMIN, admin_password))
    try:
        found = api.users.find_user(LOGIN)
    except GrafanaUnauthorizedError:
        raise
    except GrafanaClientError:
        api.admin.create_user({"name": _NAME, "login": LOGIN, "password": password, "OrgId": 1})
        return "was made"
    api.admin.change_user_password(found["id"], password)
    return "has a new password"


def _may_enter(url: str, password: str) -> bool:
    try:
        GrafanaApi.from_url(url, (LOGIN, password)).user.get_actual_user()
    except GrafanaUnauthorizedError:
        return False
    return True
