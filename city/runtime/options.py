"""Command-line options made from the settings, so that each is described once."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from city.runtime.settings import Settings, load_settings

_DATA: Final = "`.kota` beside the `kota` script"


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add `--name` for each of these settings; without the option, the environment's value or the default applies."""
    for name in names:
        field = Settings.model_fields[name]
        option = "--" + name.replace("_", "-")
        words = f"{field.description} {default_words(name)}".replace("%", "%%").strip()
        if field.annotation is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=words)
        else:
            metavar = name.rsplit("_", 1)[-1].upper()
            parser.add_argument(option, default=None, metavar=metavar, help=words)


def default_words(name: str) -> str:
    """The default of a setting as its help says it; empty where it has none."""
    default = Settings.model_fields[name].default
    if default in (None, "") or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return f"Default: {'yes' if default else 'no'}."
    return f"Default: {_DATA if name == 'data' else default}."


def settings_from(args: argparse.Namespace, **extra: Any) -> Settings:  # noqa: ANN401 - any setting
    """Settings with the options that were given.

    Raises:
        ConfigError: A value is wrong.
    """
    given = {name: getattr(args, name) for name in Settings.model_fields if hasattr(args, name)}
    return load_settings(**{**given, **extra})


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as variables for a child process, secrets excepted: it inherits those with the environment."""
    variables: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None or isinstance(value, SecretStr):
            continue
        variables[f"KOTA_{name.upper()}"] = str(value.absolute()) if isinstance(value, Path) else str(value)
    return variables
