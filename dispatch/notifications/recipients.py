"""The recipients of notifications, from the operator's file `notifications.toml`, whose addresses are secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import structlog
from pydantic import PlainValidator, SecretStr

from city.errors import ConfigError
from city.i18n.catalogue import DEFAULT_LANG, Lang
from city.inventory.field_types import Number, Ready, Texts, between, show
from city.inventory.model import City
from city.inventory.problems import InventoryError, InventoryProblem
from city.inventory.tables import TomlTable, parse_toml
from city.inventory.windows import ALL_DAY, DAY_NAMES, Window, parse_window
from dispatch.alarms.rules import KINDS, PRIORITIES, AlarmKind, Priority
from people.openid.settings import read_secret_file
from people.rights import ROLES, Role

log = structlog.get_logger("notifications")

FILE_NAME: Final = "notifications.toml"
URL_MAX: Final = 4_000
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9]*)://\S+", re.IGNORECASE)

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def one_of(allowed: tuple[str, ...]) -> PlainValidator:
    """A word or a list of words of a set."""

    def read(value: object) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not words:
            raise ValueError("is neither a word nor a list of words")
        for word in words:
            if word not in allowed:
                raise ValueError(f"{show(word)} is not one of {', '.join(allowed)}")
        return tuple(dict.fromkeys(words))

    return PlainValidator(read)


def _read_windows(value: object) -> tuple[Window, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise ValueError(f"{show(value)} is neither a window nor a list of windows")  # noqa: TRY004 - pydantic's
    return tuple(parse_window(text if isinstance(text, str) else show(text)) for text in texts)


Windows = Annotated[tuple[Window, ...], PlainValidator(_read_windows)]


@dataclass(frozen=True)
class Recipient:
    """Somebody, or a group, whom a service reaches under one address.

    `roles`: which roles it stands for. `hours` on `days`: when it may be reached. `quiet`: when only what
    `breaks_through`, kinds or priorities, reaches it. What it may not get yet is held. No `kelurahan` is the whole
    city. Of more than `digest_above` messages within `digest_minutes` there is one digest.
    """

    name: Ready[str]
    url: Ready[SecretStr]
    roles: Annotated[tuple[Role, ...], one_of(ROLES)]
    language: Lang = DEFAULT_LANG
    priorities: Annotated[tuple[Priority, ...], one_of(PRIORITIES)] = ("critical", "high")
    kinds: Annotated[tuple[AlarmKind, ...], one_of(KINDS)] = KINDS
    kelurahan: Texts = ()
    days: Annotated[tuple[Day, ...], one_of(DAY_NAMES)] = cast("tuple[Day, ...]", DAY_NAMES)
    hours: Windows = (ALL_DAY,)
    quiet: Windows = ()
    breaks_through: Annotated[tuple[AlarmKind | Priority, ...], one_of((*KINDS, *PRIORITIES))] = ("fire", "panic")
    acknowledged: bool = False
    cleared: bool = False
    digest_above: Annotated[int, between(1, 100)] = 5
    digest_minutes: Annotated[Number, between(1, 1_440)] = 10.0

    @property
    def scheme(self) -> str:
        """The part of the address that may be shown: which service it is."""
        return self.url.get_secret_value().partition("://")[0].lower()

    def is_urgent(self, kind: AlarmKind, priority: Priority) -> bool:
        """Whether an alarm reaches it in its quiet hours."""
        return kind in self.breaks_through or priority in self.breaks_through


Recipients = Mapping[str, Recipient]


def load_recipients(path: Path, city: City) -> Recipients:
    """Read the file; without it there are no recipients.

    Raises:
        ConfigError: It is unreadable, open to others, or has problems: each with line, recipient and field. No message
            has an address.
    """
    if not path.exists():
        return {}
    try:
        text = read_secret_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 at byte {exc.start}") from None
    problems: list[InventoryProblem] = []
    tables = parse_toml(text, path.name, problems).tables()
    recipients = {name: _read(name, table, city) for name, table in tables}
    if problems:
        raise InventoryError(_redact(problem) for problem in problems) from None
    return {name: recipient for name, recipient in recipients.items() if recipient}


def _read(name: str, table: TomlTable, city: City) -> Recipient | None:
    url = table.values.get("url", "")
    if not url:
        table.note("url", "is missing")
    elif not isinstance(url, str) or not _SCHEME.fullmatch(url) or len(url) > URL_MAX:
        table.note("url", "is not an address of apprise, such as mailtos://... or json://...; it is not shown here")
    address = SecretStr(url if isinstance(url, str) else "")
    recipient = table.read(Recipient, also=("url",), name=name, url=address)
    for kelurahan in recipient.kelurahan if recipient else ():
        if kelurahan not in city.kelurahan:
            table.note("kelurahan", f"there is no kelurahan {show(kelurahan)}")
    return recipient


def _redact(problem: InventoryProblem) -> InventoryProblem:
    where, field, message = (_ADDRESS.sub("***", text) for text in (problem.where, problem.field, problem.message))
    return InventoryProblem(where, field, message)


class RecipientsFile:
    """The recipients as the file has them now; what was read last, while the file is wrong.

    Args:
        path: The file.
        city: Gives the newest snapshot of the inventory.
    """

    def __init__(self, path: Path, city: Callable[[], City]) -> None:
        self._path = path
        self._city = city
        self._stamp: object = ()
        self._recipients: Recipients | None = None
        self.problem = ""
        """What is wrong with the file; empty if nothing is."""

    def current(self) -> Recipients | None:
        """The recipients; None while the file was wrong from the start."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._recipients, self.problem = load_recipients(self._path, self._city()), ""
            except ConfigError as exc:
                self.problem = str(exc)
                log.warning("notifications.file_wrong", reason=self.problem)
            else:
                if self._recipients:
                    log.info("notifications.recipients", names=sorted(self._recipients))
        return self._recipients

    def _stamp_now(self) -> object:
        try:
            stat = self._path.stat()
        except OSError as exc:
            return exc.errno
        return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_mode
