"""Rights, and the roles that grant them. Routes and pages ask for a right, never for a role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from people.errors import PeopleError

Right = Literal[
    "telemetry.read",
    "alarms.handle",
    "dispatch.write",
    "cases.review",
    "evidence.export",
    "evidence.clear",
    "evidence.erase",
    "zones.write",
    "devices.write",
    "messages.replay",
    "dashboards.write",
    "audit.read",
    "people.write",
    "account.own",
]
"""telemetry.read: see measurements, map, cases and redacted evidence. alarms.handle: acknowledge and shelve
alarms, and note something about them. dispatch.write: plan, accept plans, give stops to trucks, write to crews, close
orders. cases.review: judge dumping cases.
evidence.export: read the custody log and export a case. evidence.clear: open clear copies. evidence.erase: delete a
case's evidence. zones.write: draw a camera's zones. devices.write: adopt devices, save profiles and codecs.
messages.replay: replay dead letters and see the ledger. dashboards.write: edit dashboards in Grafana. audit.read:
search the audit. people.write: manage accounts, sessions and tokens of others. account.own: see and end one's own
sessions, change one's password, make tokens.
"""

Role = Literal["viewer", "dispatcher", "network_admin", "camera_verifier", "supervisor", "administrator"]

RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
ROLES: Final[tuple[Role, ...]] = get_args(Role)
GRANTABLE: Final[tuple[Right, ...]] = tuple(right for right in RIGHTS if right not in ("account.own", "people.write"))
"""Rights that a token may have: a leaked one cannot make accounts or other tokens."""
_VIEWER: Final[frozenset[Right]] = frozenset({"telemetry.read", "account.own"})
_DISPATCHER: Final[frozenset[Right]] = _VIEWER | {"alarms.handle", "cases.review", "dispatch.write"}
_NETWORK: Final[frozenset[Right]] = _VIEWER | {"alarms.handle", "devices.write", "messages.replay"}
_VERIFIER: Final[frozenset[Right]] = _VIEWER | {"cases.review", "evidence.export", "zones.write"}
RIGHTS_OF: Final[Mapping[Role, frozenset[Right]]] = {
    "viewer": _VIEWER,
    "dispatcher": _DISPATCHER,
    "network_admin": _NETWORK,
    "camera_verifier": _VERIFIER,
    "supervisor": _DISPATCHER | _NETWORK | _VERIFIER | {"audit.read", "dashboards.write"},
    "administrator": frozenset(RIGHTS),
}

AreaKind = Literal["kelurahan", "site", "stream", "camera"]
AREA_KINDS: Final[tuple[AreaKind, ...]] = get_args(AreaKind)


@dataclass(frozen=True)
class Identity:
    """Who asks: a person with a session or a token, a service with a token, or anybody on the machine of a demo.

    `id` is that of the account, of the service's token, or empty. `session` and `token` are the rows by which it asks.
    `areas` bound what it may change and which evidence it sees; none is the whole city.
    """

    kind: Literal["person", "service", "demo"]
    id: str
    name: str
    rights: frozenset[Right]
    session: int | None = None
    token: int | None = None
    areas: tuple[str, ...] = ()

    def may(self, right: Right) -> bool:
        """Whether it has a right."""
        return right in self.rights


DEMO: Final = Identity("demo", "", "demo", RIGHTS_OF["supervisor"] - {"account.own"})
"""Anybody on the machine of an open demo."""


def parse_role(text: str) -> Role | None:
    """The role of that name; None if there is none."""
    return next((role for role in ROLES if role == text), None)


def rights_of_role(role: str) -> frozenset[Right]:
    """The rights of a stored role; none if this version does not know it."""
    known = parse_role(role)
    return RIGHTS_OF[known] if known else frozenset()


def parse_rights(names: Iterable[str]) -> frozenset[Right]:
    """The known rights among names."""
    wanted = set(names)
    return frozenset(right for right in RIGHTS if right in wanted)


def check_grantable(names: Iterable[str]) -> frozenset[Right]:
    """The rights of these names.

    Raises:
        PeopleError: `rights_missing`: there is none, or one of them is unknown or not for tokens.
    """
    wanted = set(names)
    if not wanted or not wanted <= set(GRANTABLE):
        raise PeopleError("rights_missing")
    return parse_rights(wanted)
