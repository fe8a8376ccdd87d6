"""REST of notifications: who was told of which alarm, and what fails."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta

from api.auth.access import require
from api.dependencies import NUMBER_MAX, context_of
from api.http.routing import ApiRoute
from dispatch.notifications.deliveries import PAGE_MAX, Notification
from dispatch.notifications.planning import NotificationState

router = APIRouter(prefix="/api/v1/notifications", tags=["alarms"], route_class=ApiRoute)


class FailingRecipientResponse(msgspec.Struct, frozen=True):
    """A recipient whose newest attempt has failed, since when, and why."""

    name: str
    since: datetime | None
    reason: str


class NotificationsResponse(msgspec.Struct, frozen=True):
    """Notifications, newest first. `next` is the value of `before` for older ones; null if there are none.

    `problem`: what is wrong with the file of recipients; empty if nothing is.
    """

    notifications: list[Notification]
    next: Annotated[int | None, Meta(description="Number of a notification.")]
    failing: list[FailingRecipientResponse]
    problem: str


@router.get("", dependencies=[require("alarms.handle")])
def find_notifications(
    request: Request,
    state: Annotated[list[NotificationState] | None, Query(description="One or several; all without it.")] = None,
    recipient: Annotated[str, Query(max_length=64, description="Name of a recipient.")] = "",
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Only those with a smaller number.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> NotificationsResponse:
    """Notifications of any state, newest first, and the recipients that get none."""
    context = context_of(request)
    board = context.notification_board
    notifications = context.deliveries.find(state or (), recipient, before, limit)
    failing = [
        FailingRecipientResponse(name, entry.failing_since, entry.reason) for name, entry in board.failing.items()
    ]
    return NotificationsResponse(
        notifications, notifications[-1].id if len(notifications) == limit else None, failing, board.problem
    )
