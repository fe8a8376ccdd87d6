"""A provider within the process, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from people.openid.client import OpenIdClient
from tests.support.openid_provider import FakeProvider, fake_provider
from tests.support.openid_sign_in import SteppedClock, openid_settings


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def client(provider: FakeProvider, clock: SteppedClock) -> OpenIdClient:
    return OpenIdClient(openid_settings(provider), clock)
