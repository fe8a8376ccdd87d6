"""An API's answers over HTTP, where a busy machine may be slow to give one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from tests.support.waiting import wait_for


def ask(url: str, token: str = "") -> Any:
    """What it answers; None while it gives no answer: not listening, not ready, not in time, not there yet.

    Raises:
        HTTPError: It refused.
    """
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 - our own http address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return json.load(answer)
    except urllib.error.HTTPError as exc:
        if exc.code == HTTPStatus.NOT_FOUND or exc.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        raise
    except (OSError, ValueError):
        return None


def answer_of(url: str, token: str = "") -> Any:
    """What it answers, as soon as it does.

    Raises:
        AssertionError: It did not in time.
        HTTPError: It refused.
    """
    return wait_for(lambda: ask(url, token) or None, f"an answer of {url}")
