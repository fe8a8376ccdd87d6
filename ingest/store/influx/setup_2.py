"""Sets up InfluxDB 2: first user, buckets, and accounts; the steps of `influx_setup`.

Ingest and API get tokens, which the database creates and which are kept in files. Grafana gets a user with a password,
which can be known before the database runs. Six endpoints of the REST API are called directly: the generated client has
no types for them.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import urllib3

from city.errors import ConfigError, RetryLaterError
from city.storage.atomic_files import replace_file
from ingest.store.influx.http import InfluxAddress
from ingest.store.influx.setup_plan import ACCOUNTS, DAY_S, MISSING, Plan, Step, account_name, may_enter, shard_days
from ingest.store.schema import Policy

_TIMEOUT_S: Final = 20.0
_REFUSED: Final = 400
_ABSENT: Final = 404
_BROKEN: Final = 500
_PAGE: Final = 100
_TOKENS: Final = "/api/v2/authorizations"
_USERS: Final = "/private/legacy/authorizations"

Json = dict[str, Any]


class _Rest:
    """The administrator's connection."""

    def __init__(self, plan: Plan) -> None:
        self._url = plan.address.url.rstrip("/")
        self._headers = {"Authorization": f"Token {plan.address.token}", "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(_TIMEOUT_S), retries=False)

    def ask(self, method: str, path: str, body: Json | None = None, **query: str | int) -> Json:
        """Send one request; a missing resource returns an empty object.

        Raises:
            ConfigError: It is refused.
            RetryLaterError: The database is unavailable.
        """
        url = f"{self._url}{path}?{urlencode(query)}" if query else f"{self._url}{path}"
        data = msgspec.json.encode(body) if body is not None else None
        try:
            answer = self._pool.request(method, url, body=data, headers=self._headers)
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise RetryLaterError(f"influxdb: {exc}") from exc
        if answer.status == _ABSENT and method == "GET":
            return {}
        if answer.status >= _REFUSED:
            reason = (
                f"influxdb answers {answer.status} to {method} {path}: {answer.data.decode('utf-8', 'replace')[:300]}"
            )
            raise RetryLaterError(reason) if answer.status >= _BROKEN else ConfigError(reason)
        document: Json = msgspec.json.decode(answer.data) if answer.data else {}
        return document


def steps_of_2(plan: Plan) -> list[Step]:
    """Onboarding, buckets, their names in InfluxQL, and accounts."""
    rest = _Rest(plan)
    server = _InfluxServer(rest, plan)
    steps = [Step("first user", server.lacks_first_user, server.make_first_user)]
    steps += [_bucket_step(server, policy, days) for policy, days in plan.days.items()]
    steps += [_token_step(server, account) for account in ACCOUNTS if account != "grafana"]
    return [*steps, _password_step(server, "grafana")]


class _InfluxServer:
    """The objects of one server that the steps read and create."""

    def __init__(self, rest: _Rest, plan: Plan) -> None:
        self.rest = rest
        self.plan = plan

    def lacks_first_user(self) -> str:
        return MISSING if self.rest.ask("GET", "/api/v2/setup").get("allowed") else ""

    def make_first_user(self) -> None:
        plan = self.plan
        if not plan.admin_password or not plan.address.token:
            raise ConfigError("a new InfluxDB needs KOTA_INFLUX_ADMIN_PASSWORD and KOTA_INFLUX_ADMIN_TOKEN")
        body = {
            "username": plan.admin_user,
            "password": plan.admin_password,
            "org": plan.address.org,
            "bucket": plan.address.database,
            "token": plan.address.token,
        }
        self.rest.ask("POST", "/api/v2/setup", body)

    def org_id(self) -> str:
        organizations = self.rest.ask("GET", "/api/v2/orgs", org=self.plan.address.org).get("orgs", [])
        if not organizations:
            raise ConfigError(f"InfluxDB has no organization {self.plan.address.org!r}")
        return str(organizations[0]["id"])

    def bucket(self, policy: Policy) -> Json | None:
        name = self.plan.address.bucket(policy)
        answer = self.rest.ask("GET", "/api/v2/buckets", orgID=self.org_id(), name=name, limit=_PAGE)
        return next((bucket for bucket in answer.get("buckets", []) if bucket["name"] == name), None)

    def permissions(self, account: str) -> list[Json]:
        """Permissions of an account, on the city's buckets only."""
        org_id = self.org_id()
        ids = [str(bucket["id"]) for policy in self.plan.days if (bucket := self.bucket(policy))]
        return [
            {"action": action, "resource": {"type": "buckets", "id": id_, "orgID": org_id}}
            for action in ACCOUNTS[account]
            for id_ in ids
        ]

    def authorization(self, path: str, name: str) -> Json | None:
        """An account, by its description."""
        authorizations = self.rest.ask("GET", path, orgID=self.org_id(), limit=_PAGE).get("authorizations", [])
        return next((authorization for authorization in authorizations if authorization["description"] == name), None)

    def misfit(self, account: str, authorization: Json | None) -> str:
        """How an account's permissions differ from the wanted ones; empty when they do not."""
        if authorization is None:
            return MISSING
        is_active = authorization.get("status") == "active"
        if is_active and _plain(authorization["permissions"]) == _plain(self.permissions(account)):
            return ""
        return "may do other things than it should"


def _plain(permissions: list[Json]) -> set[tuple[str, str, str]]:
    return {
        (permission["action"], permission["resource"]["type"], str(permission["resource"].get("id", "")))
        for permission in permissions
    }


def _bucket_step(server: _InfluxServer, policy: Policy, days: int) -> Step:
    name = server.plan.address.bucket(policy)
    rule = {"type": "expire", "everySeconds": days * DAY_S, "shardGroupDurationSeconds": shard_days(days) * DAY_S}

    def differs() -> str:
        bucket = server.bucket(policy)
        if bucket is None:
            return MISSING
        kept_s = next((retention_rule["everySeconds"] for retention_rule in bucket["retentionRules"]), 0)
        if kept_s != rule["everySeconds"]:
            return f"keeps {kept_s / DAY_S:g} days (0 is for ever), not {days} days"
        return "" if _mapping(server, policy, str(bucket["id"])) else "has no name in InfluxQL"

    def make() -> None:
        bucket = server.bucket(policy)
        if bucket is None:
            body = {"orgID": server.org_id(), "name": name, "retentionRules": [rule]}
            bucket = server.rest.ask("POST", "/api/v2/buckets", body)
        else:
            server.rest.ask("PATCH", f"/api/v2/buckets/{bucket['id']}", {"retentionRules": [rule]})
        if not _mapping(server, policy, str(bucket["id"])):
            mapping = {
                "bucketID": bucket["id"],
                "orgID": server.org_id(),
                "database": server.plan.address.database,
                "retention_policy": policy or "autogen",
                "default": not policy,
            }
            server.rest.ask("POST", "/api/v2/dbrps", mapping)

    return Step(f"bucket {name!r}", differs, make)


def _mapping(server: _InfluxServer, policy: Policy, bucket_id: str) -> bool:
    """Whether InfluxQL maps the database and policy to the bucket, by default or by an explicit mapping."""
    answer = server.rest.ask("GET", "/api/v2/dbrps", orgID=server.org_id(), db=server.plan.address.database)
    return any(
        mapping["bucketID"] == bucket_id
        and (mapping["default"] if not policy else mapping["retention_policy"] == policy)
        for mapping in answer.get("content", [])
    )


def _token_step(server: _InfluxServer, account: str) -> Step:
    description = account_name(server.plan.address.database, account)
    path = server.plan.tokens[account]

    def differs() -> str:
        if misfit := server.misfit(account, server.authorization(_TOKENS, description)):
            return misfit
        kept = path.read_text().strip() if path.is_file() else ""
        if not kept or not may_enter(_as_token(server.plan.address, kept)):
            return f"does not lie in {path}"
        return ""

    def make() -> None:
        # A token is shown once, when it is made: one that we do not have is of no use to anybody.
        if authorization := server.authorization(_TOKENS, description):
            server.rest.ask("DELETE", f"{_TOKENS}/{authorization['id']}")
        body = {"orgID": server.org_id(), "description": description, "permissions": server.permissions(account)}
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, str(server.rest.ask("POST", _TOKENS, body)["token"]))

    return Step(f"token of {description}", differs, make)


def _as_token(address: InfluxAddress, token: str) -> InfluxAddress:
    return msgspec.structs.replace(address, token=token)


def _password_step(server: _InfluxServer, account: str) -> Step:
    """A user of the InfluxQL endpoint, with a password and no token."""
    user = account_name(server.plan.address.database, account)

    def differs() -> str:
        if misfit := server.misfit(account, server.authorization(_USERS, user)):
            return misfit
        address = msgspec.structs.replace(
            server.plan.address, token="", user=user, password=server.plan.passwords[account]
        )
        return "" if may_enter(address) else "has another password"

    def make() -> None:
        authorization = server.authorization(_USERS, user)
        if authorization and server.misfit(account, authorization):
            server.rest.ask("DELETE", f"{_USERS}/{authorization['id']}")
            authorization = None
        if authorization is None:
            body = {
                "orgID": server.org_id(),
                "token": user,
                "description": user,
                "permissions": server.permissions(account),
            }
            authorization = server.rest.ask("POST", _USERS, body)
        password = {"password": server.plan.passwords[account]}
        server.rest.ask("POST", f"{_USERS}/{authorization['id']}/password", password)

    return Step(f"user {user!r}", differs, make)
