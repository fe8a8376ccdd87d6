"""Tests that share a city or a filled database run in one worker, which otherwise each worker would make for itself."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("together")
def test_a_group_stays_in_one_worker(request: pytest.FixtureRequest) -> None:
    """Versions of pytest and pytest-xdist that do not go together lose the groups without a word."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@together")
