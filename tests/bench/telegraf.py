"""The peer of the ingest bench: Telegraf from the same broker into InfluxDB 1, both from the machine where found."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from tests.bench.usage import Usage, usage_of
from tests.support.brokers import RunningBroker
from tests.support.influx import running_influx

DATABASE: Final = "bench"

CONF: Final = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 1000000
  omit_hostname = true
  quiet = true
[[outputs.influxdb]]
  urls = ["http://127.0.0.1:{influx}"]
  database = "{database}"
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{broker}"]
  qos = 1
  client_id = "ingest"
  username = "ingest"
  password = "{password}"
  persistent_session = true
  max_undelivered_messages = 50000
"""
"""Tuned as well as is known: large batches, a large window, topic tags, json_v2. The workload's input comes last."""

OWN: Final = """
  topics = ["kota/v1/kupang/+/+/telemetry"]
  topic_tag = ""
  data_format = "json_v2"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "kota/v1/+/+/+/telemetry"
    tags = "_/_/city/kind/device/_"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "bin"
    timestamp_path = "ts"
    timestamp_format = "2006-01-02T15:04:05.999Z07:00"
    [[inputs.mqtt_consumer.json_v2.object]]
      path = "@this"
      tags = ["boot"]
      excluded_keys = ["ts"]
"""


class Workload(NamedTuple):
    """Telegraf's input for messages, the measurement that it writes, and fields that count them together."""

    lines: str
    measurement: str
    counted: tuple[str, ...]


def missing() -> str | None:
    """What is not here, None when all is; `KOTA_TELEGRAF` names a Telegraf outside the path."""
    if _telegraf() and shutil.which("influxd"):
        return None
    return "it needs `influxd` (InfluxDB 1), and `telegraf` on the path or named by KOTA_TELEGRAF"


def _telegraf() -> str | None:
    return os.environ.get("KOTA_TELEGRAF") or shutil.which("telegraf")


class Telegraf:
    """A running Telegraf and the database behind it."""

    def __init__(self, process: subprocess.Popen[bytes], influx_port: int, workload: Workload) -> None:
        """Keep what was started."""
        self._workload = workload
        self._process = process
        self._influx_port = influx_port

    def stored(self) -> int:
        """How many messages the database has."""
        counts = ", ".join(f'count("{field}")' for field in self._workload.counted)
        query = urllib.parse.urlencode({"db": DATABASE, "q": f"SELECT {counts} FROM {self._workload.measurement}"})  # noqa: S608 - our own
        with urllib.request.urlopen(f"http://127.0.0.1:{self._influx_port}/query?{query}", timeout=30) as answer:
            rows = msgspec.json.decode(answer.read())["results"][0].get("series")
        return sum(count or 0 for count in rows[0]["values"][0][1:]) if rows else 0

    def usage(self) -> Usage:
        """Of Telegraf alone."""
        return usage_of(self._process.pid)


@contextmanager
def running(broker: RunningBroker, workload: Workload, prepare: Callable[[], None] | None = None) -> Iterator[Telegraf]:
    """InfluxDB first, then Telegraf, which begins to drain at once."""
    folder, password = broker.folder, broker.secrets.password("ingest")
    with running_influx(folder / "influx") as influx:
        influx.database(DATABASE)
        conf = folder / "telegraf.conf"
        head = CONF.format(broker=broker.port, influx=influx.port, database=DATABASE, password=password)
        conf.write_text(head + workload.lines)
        with (folder / "telegraf.log").open("ab") as log:
            command = [str(_telegraf()), "--config", str(conf)]
            process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=prepare)  # noqa: PLW1509 - cores
        try:
            yield Telegraf(process, influx.port, workload)
        finally:
            process.kill()
            process.wait(20)
