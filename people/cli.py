"""`kota people`, `kota tokens`, `kota audit`: accounts, tokens and the audit, for who works on the city's machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from city.errors import ConfigError
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from people.audit import PAGE_MAX, Action, Origin
from people.errors import PeopleError
from people.rights import GRANTABLE, RIGHTS_OF, ROLES, parse_role
from people.service import People, open_people
from people.tokens import DAYS_MAX

_CONSOLE: Final = Origin("console", "console")
"""Who works on the machine itself: nobody asks for a password there."""
_DAYS: Final = 90


def run(argv: list[str]) -> int:
    """Run an action on accounts, tokens or the audit."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    with closing(open_local(settings)) as people:
        try:
            code = _ACTIONS[args.what, args.action](people, settings, args)
        except PeopleError as exc:
            raise ConfigError(str(exc)) from exc
    return code


def open_local(settings: Settings) -> People:
    """The accounts of the city of a data folder.

    Raises:
        ConfigError: There is no city, or the database is wrong.
        RetryLaterError: The database does not answer.
    """
    people = open_people(settings.data, settings.database_url.get_secret_value(), Secrets.of(settings))
    people.open()
    return people


def make_local_token(settings: Settings, rights: Sequence[str], lasts: timedelta) -> str:
    """A token for a verb of this machine that asks the API."""
    with closing(open_local(settings)) as people:
        return people.make_token(_CONSOLE, "kota", rights, lasts)[1]


def note_locally(settings: Settings, action: Action, object_: str, detail: Mapping[str, Any]) -> None:
    """Note in the audit what somebody has done on the machine itself."""
    with closing(open_local(settings)) as people:
        people.audit.record(_CONSOLE, action, object_, detail)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kota", description="Accounts of persons, tokens, and the audit.")
    whats = parser.add_subparsers(dest="what", required=True)
    people = _actions(whats, "people", "Accounts of persons. Links are valid for 24 hours and set a password once.")
    _action(people, "list", "List all accounts.")
    add = _action(people, "add", "Add an account and print its link.", "name")
    add.add_argument("--role", choices=ROLES, required=True)
    add.add_argument("--shown-name", default="", help="The person's name.")
    add.add_argument("--area", action="append", default=[], metavar="KIND:NAME", help="May repeat; none is the city.")
    _action(people, "link", "Print a new link for an account, as after a forgotten password.", "name")
    role = _action(people, "role", "Change an account's role.", "name")
    role.add_argument("--role", choices=ROLES, required=True)
    _action(people, "disable", "Disable an account and end its sessions.", "name")
    _action(people, "enable", "Enable an account again.", "name")
    _action(people, "sign-out", "End all sessions of an account.", "name")
    _action(people, "passkeys", "List the passkeys of an account.", "name")
    remove = _action(people, "remove-passkey", "Remove a passkey of an account, as of a lost telephone.", "name")
    remove.add_argument("number", type=int, help="`kota people passkeys NAME` shows the numbers.")
    _action(people, "first-link", "Print the link of the first administrator; nothing if there is one.")
    tokens = _actions(whats, "tokens", "Tokens of services for the API.")
    _action(tokens, "list", "List all tokens.")
    make = _action(tokens, "make", "Make a token and print it once.", "name")
    make.add_argument("--role", choices=ROLES, help="The rights of a role, without those of administrators.")
    make.add_argument("--right", action="append", default=[], choices=GRANTABLE, help="May repeat.")
    make.add_argument("--days", type=int, default=_DAYS, help=f"Days until it expires, at most {DAYS_MAX}.")
    _action(tokens, "revoke", "Revoke a token.", "number")
    audit = _actions(whats, "audit", "Who did what to which thing, from where.")
    _action(audit, "list", "List the newest entries.").add_argument("--limit", type=int, default=50)
    _action(audit, "verify", "Check the chain and the signatures of all entries.")
    return parser


def _actions(whats: Any, name: str, description: str) -> Any:  # noqa: ANN401 - argparse's own
    return whats.add_parser(name, description=description).add_subparsers(dest="action", required=True)


def _action(actions: Any, name: str, help_: str, argument: str = "") -> argparse.ArgumentParser:  # noqa: ANN401 - as above
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help_, description=help_)
    if argument:
        parser.add_argument(argument)
    parser.add_argument("--json", action="store_true", help="JSON.")
    add_settings(parser, ("data", "host", "port", "public_url"))
    return parser


def _list(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    accounts = [
        {
            "name": account.name,
            "shown_name": account.shown_name,
            "role": account.role,
            "areas": ", ".join(account.areas) or "-",
            "state": "disabled" if account.disabled_at else "active" if account.has_password else "invited",
        }
        for account in people.accounts()
    ]
    return _print(accounts, as_json=args.json)


def _add(people: People, settings: Settings, args: argparse.Namespace) -> int:
    account, key = people.add(_CONSOLE, args.name, args.shown_name, args.role, args.area)
    return _print([{"name": account.name, "role": account.role, "link": link_of(settings, key)}], as_json=args.json)


def _link(people: People, settings: Settings, args: argparse.Namespace) -> int:
    key = people.invite(_CONSOLE, people.find(args.name).id)
    return _print([{"name": args.name, "link": link_of(settings, key)}], as_json=args.json)


def _role(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    account = people.find(args.name)
    people.change(_CONSOLE, account.id, role=args.role, areas=account.areas)
    return _print([{"name": account.name, "role": args.role}], as_json=args.json)


def _disable(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    people.disable(_CONSOLE, people.find(args.name).id, disabled=args.action == "disable")
    return _print([{"name": args.name, "state": f"{args.action}d"}], as_json=args.json)


def _sign_out(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    count = people.end_sessions(_CONSOLE, people.find(args.name).id)
    return _print([{"name": args.name, "ended": count}], as_json=args.json)


def _list_passkeys(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    passkeys = [
        {
            "number": passkey.id,
            "name": passkey.name,
            "added": f"{passkey.created_at:%Y-%m-%d}",
            "last_used": _time_of(passkey.used_at),
        }
        for passkey in people.passkeys.of(people.find(args.name).id)
    ]
    return _print(passkeys, as_json=args.json)


def _remove_passkey(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    people.passkeys.remove(_CONSOLE, people.find(args.name).id, args.number)
    return _print([{"name": args.name, "number": args.number, "state": "removed"}], as_json=args.json)


def _first_link(people: People, settings: Settings, args: argparse.Namespace) -> int:
    key = people.first_link()
    return _print([{"link": link_of(settings, key)}] if key else [], as_json=args.json)


def _list_tokens(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    tokens = [
        {
            "number": token.id,
            "name": token.name,
            "of": token.account or "service",
            "expires": f"{token.expires_at:%Y-%m-%d}",
            "last_used": _time_of(token.used_at),
            "state": "revoked" if token.revoked_at else "in force",
            "rights": " ".join(sorted(token.rights)),
        }
        for token in people.tokens()
    ]
    return _print(tokens, as_json=args.json)


def _make_token(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    role = parse_role(args.role or "")
    rights = {*args.right, *(RIGHTS_OF[role] & set(GRANTABLE) if role else ())}
    id_, token = people.make_token(_CONSOLE, args.name, rights, timedelta(days=args.days))
    return _print([{"number": id_, "name": args.name, "token": token}], as_json=args.json)


def _revoke(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    if not args.number.isdecimal():
        raise ConfigError(f"{args.number!r} is no number of a token; `kota tokens list` shows them")
    people.revoke_token(_CONSOLE, int(args.number))
    return _print([{"number": args.number, "state": "revoked"}], as_json=args.json)


def _list_audit(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    entries = people.audit.search(limit=min(args.limit, PAGE_MAX))
    if args.json:
        print(msgspec.json.encode(entries).decode())
        return 0
    shown = [
        {
            "n": entry.n,
            "at": f"{entry.at:%Y-%m-%d %H:%M:%S}",
            "who": entry.actor_name or entry.actor,
            "action": entry.action,
            "about": entry.object,
            "from": entry.address or "-",
        }
        for entry in entries
    ]
    return _print(shown, as_json=False)


def _verify(people: People, _settings: Settings, args: argparse.Namespace) -> int:
    faults = people.audit.faults()
    _print([{"fault": fault} for fault in faults], as_json=args.json)
    if not args.json and not faults:
        print("the audit is whole")
    return 1 if faults else 0


_Action = Callable[[People, Settings, argparse.Namespace], int]
_ACTIONS: Final[Mapping[tuple[str, str], _Action]] = {
    ("people", "list"): _list,
    ("people", "add"): _add,
    ("people", "link"): _link,
    ("people", "role"): _role,
    ("people", "disable"): _disable,
    ("people", "enable"): _disable,
    ("people", "sign-out"): _sign_out,
    ("people", "passkeys"): _list_passkeys,
    ("people", "remove-passkey"): _remove_passkey,
    ("people", "first-link"): _first_link,
    ("tokens", "list"): _list_tokens,
    ("tokens", "make"): _make_token,
    ("tokens", "revoke"): _revoke,
    ("audit", "list"): _list_audit,
    ("audit", "verify"): _verify,
}


def link_of(settings: Settings, key: str) -> str:
    """The whole address of a link."""
    base = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    return f"{base}/link?key={key}"


def _time_of(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"


def _print(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(list(rows)))
        return 0
    if len(rows) == 1:
        print("\n".join(f"{name}: {value}" for name, value in rows[0].items()))
    elif rows:
        names = list(rows[0])
        widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
        for line in (names, *([str(row[name]) for name in names] for row in rows)):
            sys.stdout.write(
                "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
            )
    return 0
