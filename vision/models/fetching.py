"""Fetches the preferred learned detector once, in the background, where none is installed."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from city.errors import KotaError
from city.runtime.settings import Settings
from vision.models.known import chosen_model, fetch, install, known_models

log = structlog.get_logger("vision")


def fetch_in_background(settings: Settings) -> threading.Thread | None:
    """Try once to install the preferred model where there is none; returns the thread that tries, None if none does."""
    if not settings.vision_model_fetch or chosen_model(settings):
        return None
    thread = threading.Thread(target=_fetch, args=(settings.data,), name="model-fetch", daemon=True)
    thread.start()
    return thread


def _fetch(data: Path) -> None:
    model = next(iter(known_models().values()))
    try:
        install(data, model, fetch(model))
    except KotaError as exc:
        log.warning("vision.model_not_fetched", model=model.name, reason=str(exc))
    else:
        log.info("vision.model_fetched", model=model.name, licence=model.licence)
