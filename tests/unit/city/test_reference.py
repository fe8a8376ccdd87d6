"""The pages of the documentation are what their generators make, and name what they should."""

from __future__ import annotations

from city.cli import reference
from city.cli.main import VERBS
from city.runtime.settings import Settings


def test_the_page_of_settings_is_up_to_date() -> None:
    assert reference.PAGE_PATH.read_text(encoding="utf-8") == reference.page(), "run python -m city.cli.reference"


def test_every_verb_and_setting_is_on_it() -> None:
    page = reference.page()
    assert all(f"`kota {verb}`" in page for verb in VERBS)
    assert all(f"`KOTA_{name.upper()}`" in page for name in Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())
