"""Reachability over the network: ping, a TCP connection, or a page over HTTP.

`--source HOST` is pinged. Where the system does not allow this process ICMP, a TCP connection takes its place: any
answer, also a refusal, counts; a host that has never answered may have a firewall, and its silence is not a loss.
`tcp://HOST:PORT` opens a connection, `http(s)://...` fetches a page; with `status=204` and the URL of a page that is
empty by design, a captive portal's answer counts as lost.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import icmplib
import msgspec
from msgspec import Meta

from city.errors import RetryLaterError
from edge.sensors.driver_status import DriverStatus
from edge.sensors.polled import PolledSensor
from edge.sensors.port import Assignment, Sensor
from edge.sensors.source import host_and_port, options_of, url_of

TCP_PORT: Final = 80
PAGE_MAX_BYTES: Final = 1 << 16

Round = Callable[[], list[float | None]]
"""Sends `count` probes; milliseconds of each answer, None for a missing one."""


class ReachabilityOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`. `gap_s` is between the probes of one reading; `status` is the expected HTTP status."""

    count: Annotated[int, Meta(ge=1, le=100)] = 5
    timeout_s: Annotated[float, Meta(gt=0, le=10)] = 2.0
    gap_s: Annotated[float, Meta(ge=0, le=10)] = 0.2
    status: Annotated[int, Meta(ge=100, le=599)] = 200


class ReachabilityProbe:
    """Latency and loss of one round of probes.

    Args:
        ask: Runs a round.
    """

    def __init__(self, ask: Round) -> None:
        self._ask = ask

    def measure(self) -> Mapping[str, Any]:
        """`loss_pct`, and `latency_ms` as the median of the answers if there is one."""
        answers = self._ask()
        came = [ms for ms in answers if ms is not None]
        values = {"loss_pct": round(100 * (len(answers) - len(came)) / len(answers), 1)}
        if came:
            values["latency_ms"] = round(statistics.median(came), 2)
        return values


class Pinger:
    """Rounds of ICMP, or of TCP where ICMP is not allowed.

    Args:
        host: The host.
        options: Count and timeouts.
        connect: Probes over TCP: host, port, seconds.
    """

    def __init__(
        self, host: str, options: ReachabilityOptions, *, connect: Callable[[str, int, float], bool] | None = None
    ) -> None:
        self._host = host
        self._connect = connect or connected
        self._options = options
        self._answered = False

    def __call__(self) -> list[float | None]:
        """Run one round."""
        # Linux lets groups of `ping_group_range` send ICMP, and root whatever the group.
        for privileged in (False, True):
            with contextlib.suppress(icmplib.SocketPermissionError):
                return self._ping(privileged=privileged)
        return self.over_tcp()

    def _ping(self, *, privileged: bool) -> list[float | None]:
        count, gap_s, timeout_s = self._options.count, self._options.gap_s, self._options.timeout_s
        try:
            host = icmplib.ping(self._host, count=count, interval=gap_s, timeout=timeout_s, privileged=privileged)
        except icmplib.SocketPermissionError:
            raise
        except icmplib.NameLookupError as exc:
            raise RetryLaterError(f"{self._host}: no such name, or nobody to ask") from exc
        except icmplib.ICMPLibError as exc:
            raise RetryLaterError(f"{self._host}: {exc}") from exc
        return [*host.rtts, *[None] * (count - len(host.rtts))]

    def over_tcp(self) -> list[float | None]:
        """Run one round without ICMP.

        Raises:
            RetryLaterError: The host has never answered over TCP, and need not.
        """
        answers = _rounds(self._options, lambda: self._connect(self._host, TCP_PORT, self._options.timeout_s))
        self._answered = self._answered or any(ms is not None for ms in answers)
        if not self._answered:
            raise RetryLaterError(f"{self._host}: this process may not send ICMP, and TCP brings no answer")
        return answers


def connected(host: str, port: int, timeout_s: float) -> bool:
    """Whether a host answers to a TCP connection; a refusal is an answer.

    Raises:
        RetryLaterError: The name cannot be resolved.
    """
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except ConnectionRefusedError:
        return True
    except socket.gaierror as exc:
        raise RetryLaterError(f"{host}: no such name, or nobody to ask") from exc
    except OSError:
        return False
    return True


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Does not follow redirects."""

    def redirect_request(self, *_args: object) -> None:
        """Follow nothing: a captive portal's page is not the requested one."""


def page_fetched(url: str, status: int, timeout_s: float) -> bool:
    """Whether a page answers with the expected status."""
    # No proxy: its answer would say nothing of the way there.
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            answer.read(PAGE_MAX_BYTES)
            return bool(answer.status == status)
    except urllib.error.HTTPError as exc:
        exc.close()
        return exc.code == status
    except (OSError, http.client.HTTPException):
        return False


def _rounds(options: ReachabilityOptions, ask: Callable[[], bool]) -> list[float | None]:
    answers: list[float | None] = []
    for number in range(options.count):
        if number:
            time.sleep(options.gap_s)
        started_s = time.monotonic()
        came = ask()
        answers.append((time.monotonic() - started_s) * 1000 if came else None)
    return answers


def open_sensor(assignment: Assignment) -> Sensor:
    """A probe of the address in `--source`."""
    options = options_of(assignment.source, ReachabilityOptions)
    probe = ReachabilityProbe(_round_of(assignment.source.address, options))
    return PolledSensor(probe, DriverStatus("reachability", assignment.device), interval_s=assignment.interval_s)


def _round_of(address: str, options: ReachabilityOptions) -> Round:
    if address.startswith("tcp://"):
        host, port = host_and_port(address.removeprefix("tcp://"), TCP_PORT)
        return lambda: _rounds(options, lambda: connected(host, port, options.timeout_s))
    if address and "/" not in address:
        return Pinger(host_and_port(address, TCP_PORT)[0], options)
    url_of(address, ("http", "https"), "name a HOST, tcp://HOST:PORT, or the http:// or https:// address of a page")
    return lambda: _rounds(options, lambda: page_fetched(address, options.status, options.timeout_s))
