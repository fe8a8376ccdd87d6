"""The passphrase of a backup: from the environment, a file, or the terminal; never from the command line."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Final

from city.errors import ConfigError
from city.runtime.settings import Settings

MIN_LENGTH: Final = 12
"""Minimum length of a new one. A backup holds the key of every device; whoever finds the file may guess for years."""


def passphrase_of(settings: Settings, file: Path | None, *, new: bool) -> str:
    """The passphrase of a backup, from a file, the settings or the terminal.

    Args:
        settings: With `KOTA_BACKUP_PASSPHRASE`, used if no file is named.
        file: File whose first line is the passphrase.
        new: Whether it is for a new backup: it is asked for twice, and must be long enough.

    Raises:
        ConfigError: There is none, it is too short, or the two entries differ.
    """
    passphrase = _from_file(file) if file else settings.backup_passphrase.get_secret_value() or _prompt(new=new)
    if not passphrase:
        raise ConfigError("the passphrase is empty")
    if new and len(passphrase) < MIN_LENGTH:
        raise ConfigError(f"the passphrase is too short: at least {MIN_LENGTH} characters, several words for example")
    return passphrase


def _from_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _prompt(*, new: bool) -> str:
    if not sys.stdin.isatty():
        raise ConfigError("no passphrase: set KOTA_BACKUP_PASSPHRASE, or name a file with --passphrase-file")
    first = getpass.getpass("Passphrase of the backup: ")
    if new and getpass.getpass("The same again: ") != first:
        raise ConfigError("the two passphrases differ")
    return first
