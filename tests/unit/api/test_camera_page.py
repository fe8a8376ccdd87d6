"""The page of camera quality says what the cameras lack for want of a learned detector."""

from __future__ import annotations

import pytest

from api.console.page_context import PageContext
from api.console.pages.cameras import _detector_note
from city.i18n.catalogue import LANGS, Lang
from city.runtime.detector_state import DetectorState, write_detector_state
from tests.support.access import identity_with
from tests.unit.api.conftest import Stage


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_says_what_the_cameras_lack(stage: Stage, lang: Lang) -> None:
    page = PageContext(stage.context(), lang, identity_with("viewer"))

    def shown() -> str:
        return str(_detector_note(page) or "")

    assert "kota vision model" not in shown(), "no camera has run here"
    write_detector_state(stage.folder, DetectorState())
    assert "kota vision model get" in shown()
    write_detector_state(stage.folder, DetectorState("mine", "<b>broken</b>"))
    assert "&lt;b&gt;broken" in shown()
    write_detector_state(stage.folder, DetectorState("nanodet-m-416"))
    assert "kota vision model" not in shown()
