"""Jinja2 environments: HTML is escaped, an unknown name is an error, and browsers know the styles of templates."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from pathlib import Path
from typing import Final

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


def _style_hashes() -> list[str]:
    """What a content security policy allows by: the hash of each style sheet that is written in a template."""
    sources = [path.read_text() for path in sorted(Path(__file__).parents[1].glob("*/templates/*.html"))]
    styles = [style for source in sources for style in re.findall("<style>(.*?)</style>", source, re.DOTALL)]
    return [f"'sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" for style in styles]


STYLE_HASHES: Final = tuple(_style_hashes())
