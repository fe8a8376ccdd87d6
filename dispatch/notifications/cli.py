"""`kota notify`: the recipients of notifications, and a test message to one of them."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from city.database.engine import Database
from city.errors import ConfigError, KotaError
from city.inventory.model import City
from city.runtime.options import add_settings, settings_from
from city.runtime.service import whole_city
from city.runtime.settings import Settings
from dispatch.notifications.check import describe_failure, recipients_path
from dispatch.notifications.deliveries import Deliveries, RecipientState
from dispatch.notifications.messages import test_message
from dispatch.notifications.recipients import FILE_NAME, Recipient, Recipients, load_recipients
from dispatch.notifications.sender_process import SenderProcess
from dispatch.notifications.wire import SendRequest


class ListedRecipient(msgspec.Struct, frozen=True):
    """A recipient without its address."""

    name: str
    service: str
    roles: tuple[str, ...]
    failing_since: datetime | None = None
    reason: str = ""
    sent_at: datetime | None = None


def run(argv: list[str]) -> int:
    """List recipients, or send a test; exit code 1 if it was not delivered."""
    parser = argparse.ArgumentParser(prog="kota notify", description=f"Recipients of notifications ({FILE_NAME}).")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, help_ in (("list", "List the recipients, without their addresses."), ("test", "Send a test message.")):
        verb = verbs.add_parser(name, help=help_, description=help_)
        if name == "test":
            verb.add_argument("name", help="Name of the recipient.")
        verb.add_argument("--json", action="store_true", help="JSON.")
        add_settings(verb, ("data", "city", "host", "port", "public_url"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    city = whole_city(settings)
    recipients = load_recipients(recipients_path(settings), city)
    if args.verb == "list":
        return _list(settings, recipients, as_json=args.json)
    recipient = recipients.get(args.name)
    if recipient is None:
        raise ConfigError(f"there is no recipient {args.name!r}; there are: {', '.join(recipients) or 'none'}")
    return _test(settings, city, recipient, as_json=args.json)


def _list(settings: Settings, recipients: Recipients, *, as_json: bool) -> int:
    states: Mapping[str, RecipientState] = {}
    with contextlib.suppress(KotaError), closing(_open(settings)) as database:
        states = Deliveries(database, lambda: datetime.now(UTC)).states()
    listed = []
    for name, recipient in recipients.items():
        state = states.get(name)
        known = (state.failing_since, state.reason, state.sent_at) if state else ()
        listed.append(ListedRecipient(name, recipient.scheme, recipient.roles, *known))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(listed), indent=1).decode())
        return 0
    for entry in listed:
        failing = (
            f", fails since {entry.failing_since:%Y-%m-%d %H:%M} UTC ({entry.reason})" if entry.failing_since else ""
        )
        print(f"{entry.name}: {entry.service}, {', '.join(entry.roles)}{failing}")
    return 0


def _test(settings: Settings, city: City, recipient: Recipient, *, as_json: bool) -> int:
    now = datetime.now(UTC)
    public_url = (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    message = test_message(recipient.language, city, now, public_url)
    key = f"test-{now:%Y%m%d%H%M%S%f}"
    result = SenderProcess(SendRequest(recipient.url.get_secret_value(), message.title, message.body, key)).wait()
    try:
        with closing(_open(settings)) as database:
            Deliveries(database, lambda: datetime.now(UTC)).note_attempt(recipient.name, result)
    except KotaError as exc:
        print(f"kota notify: the result was not noted: {exc}", file=sys.stderr)
    if as_json:
        print(msgspec.json.encode(result).decode())
    elif result.sent:
        print(f"{recipient.name}: {recipient.scheme} has taken the message")
    else:
        print(f"{recipient.name}: not delivered; {describe_failure(recipient, result)}", file=sys.stderr)
    return 0 if result.sent else 1


def _open(settings: Settings) -> Database:
    """The database, if there is one already.

    Raises:
        ConfigError, RetryLaterError: There is none, or it does not answer.
    """
    url = settings.database_url.get_secret_value()
    if not url and not (settings.data / "city.sqlite").exists():
        raise ConfigError(f"{settings.data}: there is no city here yet")
    database = Database(settings.data, url)
    database.open()
    return database
