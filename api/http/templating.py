"""Jinja2 environments: HTML is escaped, and an unknown name is an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from city.i18n.catalogue import API_TEXTS, LANGS


def template_environment(folder: Path) -> Environment:
    """The environment of the templates in a folder; `texts` and `langs` are those of the API. Each is read once."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"texts": API_TEXTS, "langs": LANGS}
    return environment
