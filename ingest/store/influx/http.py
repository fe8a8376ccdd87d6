"""The HTTP client of InfluxDB: line protocol in, InfluxQL out, its errors as this project's errors.

2.x is written through influxdb-client, synchronously (its batching mode drops after five tries); 1.x has no such
endpoint and is written by `/write`. Queries are InfluxQL on `/query`, which 1.x, 2.x and 3 answer.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast
from urllib.parse import urlencode

import msgspec
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from city.errors import ConfigError, KotaError, PayloadError, RetryLaterError
from ingest.store.schema import RAW, Policy

TIMEOUT_S: Final = 20.0
GZIP_LEVEL: Final = 1
_OK: Final = 300
_TOO_LARGE: Final = 413
_REFUSED: Final = (400, 422)
_ALARMS: Final = {
    401: "does not accept our token",
    403: "does not allow our token to do this",
    404: "does not know the database",
}


UNQUOTABLE: Final = frozenset("\r\0")


class InfluxAddress(msgspec.Struct, frozen=True):
    """Address and credentials; with `org`, InfluxDB 2.x or later and `database` is the bucket, else 1.x."""

    url: str
    database: str
    org: str = ""
    token: str = ""
    user: str = ""
    password: str = ""

    def __post_init__(self) -> None:
        """Validate the URL.

        Raises:
            ConfigError: It is not an HTTP URL.
        """
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"the address of InfluxDB is {self.url!r}, not http://... or https://...")

    def bucket(self, policy: Policy) -> str:
        """The bucket of a retention class; InfluxDB 2 maps `database/policy` to both of InfluxQL by itself."""
        return f"{self.database}/{policy}" if policy else self.database


LINES_MAX: Final = 5_000
"""Lines per request, as the documentation recommends and our measurements confirm."""


class RefusedError(KotaError):
    """The database can never store some of these lines; it may have stored the others."""


class TooLargeError(KotaError):
    """The request has too many lines; send fewer."""


class Series(msgspec.Struct):
    """One series of a query's result."""

    name: str = ""
    tags: dict[str, str] = {}
    columns: list[str] = []
    values: list[list[Any]] = []

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row by the names of the columns."""
        return (dict(zip(self.columns, values, strict=True)) for values in self.values)


class _Result(msgspec.Struct):
    series: list[Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


_answers: Final = msgspec.json.Decoder(_Answer)


class InfluxHttp:
    """Owns the connections; any thread may call it."""

    def __init__(self, address: InfluxAddress, *, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._url = address.url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=False)
        self._headers = _headers(address)
        self._client = InfluxDBClient(
            self._url, token=address.token, org=address.org, timeout=int(timeout_s * 1000), enable_gzip=True
        )
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: bytes, policy: Policy = RAW) -> None:
        """Store lines of one retention class, with nanosecond timestamps; on return they are on the database's disk.

        Raises:
            RefusedError: Some of them can never be stored.
            TooLargeError: Send fewer at once.
            RetryLaterError: The database is unavailable, busy or denies access; send them again.
        """
        try:
            if self._address.org:
                self._writer.write(self._address.bucket(policy), record=lines, write_precision="ns")  # type: ignore[arg-type]
            else:
                self._write_1x(lines, policy)
        except ApiException as exc:
            headers = cast("dict[str, str]", exc.headers or {})
            raise _error(exc.status or 0, str(exc.body or exc.reason), headers.get("Retry-After")) from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise RetryLaterError(f"influxdb: {exc}") from exc

    def write_all(self, lines: Sequence[bytes], policy: Policy) -> None:
        """Store any number of lines, in requests of `LINES_MAX`; raises as `write` does."""
        for first in range(0, len(lines), LINES_MAX):
            self.write(b"\n".join(lines[first : first + LINES_MAX]), policy)

    def _write_1x(self, lines: bytes, policy: Policy) -> None:
        where = {"db": self._address.database, "precision": "ns"} | ({"rp": policy} if policy else {})
        answer = self._pool.request(
            "POST",
            f"{self._url}/write?{urlencode(where)}",
            body=gzip.compress(lines, GZIP_LEVEL),
            headers={**self._headers, "Content-Encoding": "gzip"},
        )
        if answer.status >= _OK:
            raise _error(answer.status, answer.data.decode("utf-8", "replace"), answer.headers.get("Retry-After"))

    def query(self, statement: str) -> list[Series]:
        """Run InfluxQL statements; return the series of all of them, times in nanoseconds since 1970.

        Raises:
            PayloadError: A statement is invalid.
            RetryLaterError: The database is unavailable, busy or denies access.
        """
        return list(self._ask(statement))

    def _ask(self, statement: str) -> Iterator[Series]:
        fields = {"db": self._address.database, "q": statement, "epoch": "ns", "chunked": "true", "chunk_size": "10000"}
        try:
            answer = self._pool.request(
                "POST", f"{self._url}/query", fields=fields, headers=self._headers, encode_multipart=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise RetryLaterError(f"influxdb: {exc}") from exc
        if answer.status >= _OK:
            try:
                raise _error(answer.status, answer.data.decode("utf-8", "replace"), answer.headers.get("Retry-After"))
            except (RefusedError, TooLargeError) as exc:
                raise PayloadError(str(exc)) from exc
        for line in answer.data.splitlines():
            chunk = _answers.decode(line)
            problems = [chunk.error, *(result.error for result in chunk.results)]
            if problem := next(filter(None, problems), ""):
                raise RetryLaterError(f"influxdb: {problem}") if _is_absent(problem) else PayloadError(problem)
            for result in chunk.results:
                yield from result.series

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]
        self._pool.clear()


def quote_value(text: str) -> str:
    """A string literal of InfluxQL, safe for any text.

    Raises:
        PayloadError: It holds a character that InfluxQL has no way to write.
    """
    if not UNQUOTABLE.isdisjoint(text):
        raise PayloadError(f"{text!r} cannot be asked for: it holds a carriage return or a zero byte")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _headers(address: InfluxAddress) -> dict[str, str]:
    if address.token:
        return {"Authorization": f"Token {address.token}"}
    if address.user:
        return urllib3.make_headers(basic_auth=f"{address.user}:{address.password}")
    return {}


def _is_absent(problem: str) -> bool:
    return "database not found" in problem or "not ready" in problem


def _error(status: int, body: str, retry_after: str | None) -> Exception:
    """The error that a response stands for.

    Source: InfluxDB 1.6 and 2.7, answers of the write endpoints as observed, and RFC 9110 for `Retry-After`.
    """
    reason = f"influxdb answers {status}: {body.strip()[:500]}"
    if status == _TOO_LARGE:
        return TooLargeError(reason)
    if status in _REFUSED:
        return RefusedError(body.strip()[:500])
    if status in _ALARMS:
        return RetryLaterError(f"influxdb {_ALARMS[status]} ({reason})")
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return RetryLaterError(reason, retry_after_s=seconds)
