"""`kota bench boards`: how long each board takes on a large city, beside the same questions asked of raw points.

A week of a city of some thousand devices is written to a real InfluxDB with all that ingest derives; then every query
of every board is asked as Grafana asks it, alone and by several viewers at once while readings go on arriving.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from ingest.store.influx.http import InfluxHttp
from ingest.store.influx.setup_plan import DAY_S
from ingest.store.schema import ROLLUP
from tests.bench.large_city import Made, fill, make_devices, raw_lines
from tests.bench.usage import usage_of
from tests.support.grafana import (
    DashboardQuery,
    dashboards_of,
    defaults_of,
    interval_of,
    queries_of,
    span_s,
    substitute,
)
from tests.support.influx import SERVERS, running_influx

VIEWERS: Final = 4
REFRESH_S: Final = 5.0
WATCHED_S: Final = 30.0
LIVE_A_S: Final = 500


def run(argv: list[str]) -> int:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(prog="kota bench boards", description="Times of every board's queries.")
    parser.add_argument("--server", choices=SERVERS, default="influx-2")
    parser.add_argument("--devices", type=int, default=2_000)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=7)
    args = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="kota-bench-") as folder,
        running_influx(Path(folder) / "influx", args.server) as server,
    ):
        address = server.database("kota")
        devices = make_devices(args.devices)
        began = time.monotonic()
        points = fill(InfluxHttp(address), devices, args.points, args.days)
        print(f"{args.server}: {points:,} points of {len(devices):,} devices in {time.monotonic() - began:.0f} s\n")
        http = InfluxHttp(address)
        ask_alone(http)
        compare(http, args.days)
        ask_together(http, devices)
        assert server.process is not None
        used = usage_of(server.process.pid)
        print(f"\nInfluxDB: {used.cpu_s:.0f} CPU s in all, {used.peak_resident_mb:.0f} MB at most")
    return 0


@cache
def _committed() -> tuple[dict[str, dict[str, Any]], list[DashboardQuery]]:
    """The boards of one language, and every query."""
    return {name: board for name, board in dashboards_of().items() if name.startswith("en/")}, queries_of()


def asked(until: datetime) -> dict[str, list[tuple[DashboardQuery, str]]]:
    """Board to its queries as they are sent when it opens; boards of one language, the others ask the same."""
    boards, queries = _committed()
    found = defaultdict(list)
    for query in queries:
        if query.dashboard in boards:
            board = boards[query.dashboard]
            span = span_s(board)
            start = until - timedelta(seconds=span)
            text = substitute(query.query, start, until, interval_of(span, query), defaults_of(board))
            found[query.dashboard].append((query, text))
    return found


def ask_alone(http: InfluxHttp) -> None:
    """Each board by itself: queries one after the other; an empty answer would be no measure, and is told."""
    print(f"{'board':24}{'queries':>8}{'together':>10}{'slowest':>10}  slowest query")
    for board, queries in asked(datetime.now(UTC)).items():
        times = {}
        for query, text in queries:
            began = time.perf_counter()
            answer = http.query(text)
            times[f"{query.panel} {query.ref}{'' if answer else ' (EMPTY)'}"] = time.perf_counter() - began
        slowest = max(times, key=lambda name: times[name])
        empty = [name for name in times if name.endswith("(EMPTY)")]
        print(f"{board:24}{len(times):>8}{sum(times.values()):>8.2f} s{times[slowest]:>8.2f} s  {slowest}")
        if empty:
            print(f"{'':24}without an answer: {', '.join(empty)}")


def compare(http: InfluxHttp, days: int) -> None:
    """Fill levels by kelurahan in steps of five minutes: from the rollups and, as the reference, from raw points."""
    start = int(time.time()) - days * DAY_S
    when = f"WHERE time >= {start}s GROUP BY time(5m), kelurahan fill(none)"
    questions = {
        "raw": f"SELECT mean(fill_pct) FROM bin {when}",  # noqa: S608
        "rollup": f'SELECT sum(fill_pct_sum) / sum(fill_pct_count) FROM "{ROLLUP}".bin_area {when}',  # noqa: S608
    }
    times = {}
    for name, text in questions.items():
        began = time.perf_counter()
        http.query(text)
        times[name] = time.perf_counter() - began
    ratio = times["raw"] / times["rollup"]
    told = f"raw {times['raw']:.2f} s, rollups {times['rollup']:.2f} s, {ratio:.1f} times"
    print(f"\n{days} days by kelurahan in 5 minutes: {told}")


def ask_together(http: InfluxHttp, devices: list[Made]) -> None:
    """Several viewers, each with another board, refreshed every few seconds while readings are written."""
    stop = threading.Event()
    times: list[float] = []
    written = [0]

    def write() -> None:
        chance = random.Random(0)
        while not stop.is_set():
            now_s = int(time.time())
            http.write(b"\n".join(list(raw_lines(chance.sample(devices, LIVE_A_S // 5), now_s, now_s + 1, 5))))
            written[0] += LIVE_A_S // 5
            stop.wait(0.2)

    def view(board: str) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            for _, text in asked(datetime.now(UTC))[board]:
                http.query(text)
            times.append(time.perf_counter() - began)
            stop.wait(max(REFRESH_S - times[-1], 0))

    boards = ("en/command", "en/dispatch", "en/wifi", "en/platform")[:VIEWERS]
    threads = [threading.Thread(target=write), *(threading.Thread(target=view, args=(board,)) for board in boards)]
    for thread in threads:
        thread.start()
    time.sleep(WATCHED_S)
    stop.set()
    for thread in threads:
        thread.join()
    print(
        f"{len(boards)} viewers every {REFRESH_S:.0f} s for {WATCHED_S:.0f} s while {written[0]} readings came: "
        f"a board in {statistics.median(times):.2f} s, at most {max(times):.2f} s"
    )
