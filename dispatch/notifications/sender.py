"""The process that sends one message through `apprise`: reads a request from stdin, writes the result to stdout.

It is a process of its own because `apprise` takes 40 MB and its services may hang. It tells nothing of an address: not
in its result, and it has no log.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import smtplib
import socket
import ssl
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from dispatch.notifications.wire import FailureReason, SendRequest, SendResult

ENDS_AFTER_S: Final = 25
"""It ends itself by then, also when nobody waits for it any more; the server ends it before."""
READ_TIMEOUT_S: Final = 12.0
RETRY_AFTER_MAX_S: Final = 3_600.0
_SOON: Final = (408, 425, 429)


class ResponseLog(logging.Handler):
    """What `apprise` met: the newest exception, and the newest answer over HTTP that was no success."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.error: BaseException | None = None
        self.status = 0
        self.retry_after_s: float | None = None

    def emit(self, _record: logging.LogRecord) -> None:
        """Keep the exception that is being handled: `apprise` logs each one and raises none."""
        self.error = sys.exc_info()[1] or self.error

    def note_response(self, status: int, retry_after: str | None) -> None:
        """Keep an answer."""
        if not 200 <= status < 300:  # noqa: PLR2004 - success in HTTP
            self.status, self.retry_after_s = status, _seconds(retry_after)

    def result(self) -> SendResult:
        """Why nothing was delivered."""
        if self.error is not None:
            return _result_of(self.error)
        if self.status:
            reason: FailureReason = (
                "busy" if self.status in _SOON else "refused" if 400 <= self.status < 500 else "server"  # noqa: PLR2004
            )
            return SendResult(reason, self.status, self.retry_after_s)
        return SendResult("undelivered")


def main() -> None:
    """Do what the request asks for."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(ENDS_AFTER_S)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=SendRequest)
    try:
        result = _send(request)
    except ImportError:
        result = SendResult("not_installed")
    except Exception as exc:  # noqa: BLE001 - of any of a hundred services; its text may have the address
        result = _result_of(exc)
    sys.stdout.buffer.write(msgspec.json.encode(result))
    sys.stdout.buffer.flush()


def _send(request: SendRequest) -> SendResult:
    import apprise  # noqa: PLC0415 - its absence is a result

    observed = ResponseLog()
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(observed)
    asset = apprise.AppriseAsset(app_id="Jaga Kota", app_desc="Jaga Kota", app_url="", storage_mode="memory")
    service = apprise.Apprise.instantiate(request.url, asset=asset, suppress_exceptions=True)
    if service is None:
        return SendResult("address")
    if request.check:
        return SendResult()
    observed.error = None
    # By itself it waits 4 s for an answer; a service that takes longer would get each message again and again.
    service.socket_read_timeout = max(service.socket_read_timeout, READ_TIMEOUT_S)
    _watch_responses(observed)
    _add_key(service, request.key)
    sent = service.notify(request.body, title=request.title, body_format=apprise.NotifyFormat.TEXT)
    return SendResult() if sent else observed.result()


def _watch_responses(observed: ResponseLog) -> None:
    """Note every answer over HTTP: `apprise` says neither status nor `Retry-After` of it."""
    import requests  # noqa: PLC0415 - as apprise

    original = requests.Session.send

    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401 - its own
        response = original(self, request, **options)
        observed.note_response(response.status_code, response.headers.get("Retry-After"))
        return response

    requests.Session.send = send  # type: ignore[method-assign]


def _add_key(service: object, key: str) -> None:
    """Give the message its key: as a header and a field of a webhook, as `Message-ID` of a mail."""
    from apprise.plugins.email import base as mail  # noqa: PLC0415 - as apprise

    headers, fields = getattr(service, "headers", None), getattr(service, "payload_extras", None)
    if isinstance(headers, dict):
        headers["X-Message-Key" if isinstance(service, mail.NotifyEmail) else "Idempotency-Key"] = key
    if isinstance(fields, dict):
        fields["key"] = key
    # `apprise` makes a new one for each attempt, by this function.
    vars(mail)["make_msgid"] = lambda domain=None: f"<{key}@{domain or 'localhost'}>"


def _result_of(error: BaseException) -> SendResult:
    reason = _reason_of(error)
    code = getattr(error, "smtp_code", 0)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next((answer[0] for answer in error.recipients.values()), 0)
    if code:
        return SendResult("refused" if code >= 500 else "busy", code)  # noqa: PLR2004 - permanent in SMTP
    return SendResult(reason)


def _reason_of(error: BaseException) -> FailureReason:
    """The reason of an error, by the types in its chain, never by its text."""
    chain = _chain(error)
    names = {type(link).__name__ for link in chain}
    if any(isinstance(link, ssl.SSLError) for link in chain) or "SSLError" in names:
        return "certificate"
    if any(isinstance(link, ConnectionRefusedError | socket.gaierror) for link in chain) or names & {
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "ConnectTimeout",
    }:
        return "connection"
    if any(isinstance(link, TimeoutError) for link in chain) or names & {"ReadTimeout", "ReadTimeoutError"}:
        return "timeout"
    if any(isinstance(link, smtplib.SMTPNotSupportedError | smtplib.SMTPHeloError) for link in chain):
        return "refused"
    return "ended" if any(isinstance(link, OSError) for link in chain) else "undelivered"


def _chain(error: BaseException) -> list[BaseException]:
    """An error with those that it came from, also those that libraries put into their arguments."""
    chain: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop()
        if isinstance(link, BaseException) and link not in chain:
            chain.append(link)
            waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return chain


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a header `Retry-After`, which may be a time; None without a valid one."""
    if not retry_after:
        return None
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if retry_after.strip().isdecimal():
            return min(float(retry_after), RETRY_AFTER_MAX_S)
        left_s = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        return min(max(left_s, 0.0), RETRY_AFTER_MAX_S)
    return None


if __name__ == "__main__":
    main()
