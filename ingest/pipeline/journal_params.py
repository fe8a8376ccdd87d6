"""Where a city's journal is and how large it may be, by the settings."""

from __future__ import annotations

from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from ingest.pipeline.journal import Journal, JournalParams


def journal_params(settings: Settings, secrets: Secrets) -> JournalParams:
    """Path, bounds and key of the journal of a city's data folder."""
    bound = settings.journal_max_mb << 20
    keep_bytes = min(settings.journal_keep_mb << 20, bound // 2)
    path = settings.data / "ingest" / "journal.sqlite"
    return JournalParams(path, bound, secrets.journal_key(), keep_bytes, settings.journal_keep_h * 3600.0)


def open_journal(settings: Settings, secrets: Secrets | None = None) -> Journal:
    """Open the journal of a city's data folder.

    Raises:
        ConfigError: The city's key is absent or another, or a newer version has written the file.
        RetryLaterError: The disk refuses.
    """
    return journal_params(settings, secrets or Secrets.of(settings)).open()
