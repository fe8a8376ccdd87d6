"""Names of what is counted of notifications; served on `/metrics`."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

SENT: Final = Counter("notifications_sent", "Messages that a service has taken", ["recipient"])
FAILED: Final = Counter("notifications_failed", "Attempts that failed", ["recipient"])
WAITING: Final = Gauge("notifications_waiting", "Notifications that are not sent yet, held ones included")
FAILING: Final = Gauge("notifications_failing_recipients", "Recipients whose newest attempt has failed")
