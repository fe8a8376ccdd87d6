"""A text of TOML of which one table is changed: comments, order and all other tables stay as they are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from city.inventory.tables import header_lines

_LONE_LF: Final = re.compile(r"(?<!\r)\n")
_UNCHANGEABLE: Final = "is written in a way that only a text editor can change"
Values = Mapping[str, Any]


def with_table(text: str, path: Sequence[str], values: Values) -> str:
    """The text with keys of a table set, or removed where the value is None; a table that is absent is added.

    Args:
        text: TOML.
        path: Names of the table, from the outermost.
        values: Key to its value; a mapping is the whole content of a table within this one.

    Raises:
        ValueError: The text is no TOML, or cannot be changed without risk to the rest of it.
    """
    expected = _plain(text)
    table = expected
    for name in path:
        table = table.setdefault(name, {})
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = dict(value) if isinstance(value, Mapping) else value
    document = _parse(text)
    try:
        _set(document, path, values)
    except (TOMLKitError, KeyError, TypeError, AttributeError) as exc:
        raise ValueError(_UNCHANGEABLE) from exc
    return _verify(text, tomlkit.dumps(document), expected)


def without_table(text: str, path: Sequence[str]) -> str:
    """The text without a table.

    Raises:
        KeyError: There is none.
        ValueError: As for `with_table`.
    """
    expected = _plain(text)
    document: Any = _parse(text)
    table, outer = expected, document
    for name in path[:-1]:
        table, outer = table[name], outer[name]
    del table[path[-1]]
    outer.remove(path[-1])
    return _verify(text, tomlkit.dumps(document), expected)


def table_line(text: str, path: Sequence[str]) -> int:
    """The line of a table's header, from 1; 0 if it has none."""
    return header_lines(text).get(".".join(path), 0)


def _set(document: Any, path: Sequence[str], values: Values) -> None:  # noqa: ANN401 - a container of tomlkit
    table = document
    for name in path:
        if name not in table:
            table[name] = tomlkit.table()
        table = table[name]
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping):
            _set_all(table, key, value)
        elif key not in table or table[key] != value:
            table[key] = value


def _set_all(outer: Any, name: str, values: Values) -> None:  # noqa: ANN401 - as above
    """Give a table within a table exactly these keys."""
    if name not in outer:
        if not values:
            return
        outer[name] = tomlkit.table()
    table = outer[name]
    for key in [key for key in table if key not in values]:
        table.remove(key)
    for key, value in values.items():
        if key not in table or table[key] != value:
            table[key] = value


def _parse(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text.removeprefix("\ufeff"))
    except (TOMLKitError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _plain(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _verify(before: str, after: str, expected: Values) -> str:
    """The new text with the line endings of the old one, once it is sure to say what is expected."""
    if "\r\n" in before and not _LONE_LF.search(before):
        after = _LONE_LF.sub("\r\n", after)
    if before.startswith("\ufeff"):
        after = "\ufeff" + after
    if _without_empty(_plain(after)) != _without_empty(expected):
        raise ValueError(_UNCHANGEABLE)
    return after


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - of any depth
    """A value without tables that are empty: these say nothing."""
    if not isinstance(value, Mapping):
        return value
    inner = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item != {}}
