"""Checks the file of recipients and their addresses, for `kota check`; needs neither database nor `apprise`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from city.errors import ConfigError
from city.inventory.model import City
from city.runtime.settings import Settings
from dispatch.notifications.recipients import FILE_NAME, Recipient, load_recipients
from dispatch.notifications.sender_process import SenderProcess
from dispatch.notifications.wire import FailureReason, SendRequest, SendResult

_WORDS: Final[Mapping[FailureReason, str]] = {
    "connection": "nobody answers at its address",
    "certificate": "TLS failed: the certificate is not accepted",
    "timeout": "no answer in time; the message may have arrived",
    "refused": "the service refuses the message or the account",
    "busy": "the service asks to come later",
    "server": "the service has failed",
    "address": "apprise does not understand the address",
    "not_installed": "apprise is not installed here",
    "ended": "the connection or the process ended; the message may have arrived",
    "undelivered": "the service has not taken it",
}


def recipients_path(settings: Settings) -> Path:
    """The file of recipients: among the service's own secrets, else in the data folder."""
    return (settings.secrets_folder or settings.data) / FILE_NAME


def check(settings: Settings, city: City) -> str:
    """What is to be said of the file, for `kota check`.

    Raises:
        ConfigError: It is wrong, or `apprise` does not understand an address.
    """
    recipients = load_recipients(recipients_path(settings), city)
    # One after the other: each process takes 40 MB.
    results = {
        name: SenderProcess(SendRequest(recipient.url.get_secret_value(), check=True)).wait()
        for name, recipient in recipients.items()
    }
    wrong = [
        f"{FILE_NAME} [{name}]: url: {describe_failure(recipients[name], result)}"
        for name, result in results.items()
        if not result.sent
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return f"{len(recipients)} recipients, each address is understood" if recipients else "no recipients"


def describe_failure(recipient: Recipient, result: SendResult) -> str:
    """Why a recipient gets nothing, without its address."""
    code = f" ({result.status})" if result.status else ""
    return f"{recipient.scheme}: {_WORDS.get(result.reason, result.reason)}{code}"
