"""The page of settings and verbs, generated from the code: `python -m city.cli.reference`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from city.cli.main import VERBS
from city.runtime.settings import Settings

PAGE_PATH: Final = Path(__file__).parents[2] / "docs" / "settings.md"


def page() -> str:
    """Verbs and settings as Markdown."""
    verbs = [f"| `kota {name}` | {verb.summary} | `{verb.example}` |" for name, verb in VERBS.items()]
    settings = [
        f"| `KOTA_{name.upper()}` | `--{name.replace('_', '-')}` | {_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Verbs and settings",
            "",
            "Generated from `city/cli/main.py` and `city/runtime/settings.py`; do not edit. An option comes before its",
            "variable, the variable before the default. `kota check` names unknown `KOTA_` variables.",
            "",
            "| verb | what it does | example |",
            "|---|---|---|",
            *verbs,
            "",
            "| variable | option | default | meaning |",
            "|---|---|---|---|",
            *settings,
            "",
        ]
    )


def _default(name: str) -> str:
    if name == "data":
        return "`.kota` beside the `kota` script"
    default = Settings.model_fields[name].default
    text = str(default) if not hasattr(default, "get_secret_value") else ""
    return f"`{text}`" if text and default is not None else "-"


def main() -> int:
    """Write the page."""
    PAGE_PATH.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
