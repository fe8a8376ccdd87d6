"""Runs one or several services in one process; the supervisor starts such processes, and so may an operator."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import structlog

from city.errors import KotaError
from city.runtime.heartbeats import START_PATIENCE_S, HeartbeatWriter, PartHeartbeat
from city.runtime.logs import configure_logging
from city.runtime.options import add_settings, settings_from
from city.runtime.service import Runtime

log = structlog.get_logger("city")

SERVICES: Final = {
    "broker": "broker.service",
    "ingest": "ingest.service",
    "api": "api.service",
    "vision": "vision.service",
    "vision-worker": "vision.workers.worker_process",
    "simulator": "edge.simulator.service",
}
"""Service to the module whose `serve(runtime)` runs it. Imported by name: the packages do not know each other."""

STOP_WITHIN_S: Final = 4.0
SIGN_EVERY_S: Final = 2.0
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG: Final = 1
_SETTINGS: Final = (
    "data", "city", "demo", "host", "port", "mqtt_host", "mqtt_port", "mqtt_version", "mqtt_client",
    "mqtt_user", "mqtt_ca", "mqtt_plain", "nats_server", "broker_max_mb", "ingest_processes", "speed", "seed",
    "clip", "clock", "vision_model", "vision_workers",
    "store", "influx_url", "influx_database", "influx_org", "influx_user",
    "public_url", "grafana_public_url", "trusted_proxies",
    "journal_max_mb", "journal_keep_mb", "journal_keep_h", "dead_letters_max_mb",
    "outbox_max_mb", "retention_days", "rollup_days", "event_days",
    "evidence_days", "evidence_confirmed_days", "evidence_rejected_days", "evidence_max_mb", "evidence_clear_key",
    "late_after_s",
)  # fmt: skip


def run(argv: list[str]) -> int:
    """`kota serve SERVICE ...`: run services until SIGTERM; exit code 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="kota serve", description="Run services in this process.")
    parser.add_argument("services", nargs="+", choices=sorted(SERVICES), metavar="SERVICE")
    add_settings(parser, _SETTINGS)
    args = parser.parse_args(argv)
    configure_logging()
    runtime = Runtime(settings_from(args), args.services)
    if "KOTA_SUPERVISOR" in os.environ:
        _end_with_parent(int(os.environ["KOTA_SUPERVISOR"]))
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: _stop(runtime))
    writer = HeartbeatWriter(runtime.settings.data, runtime.heartbeats)  # before anything could inherit the pipe's name
    for name in args.services:
        runtime.beat(name, "starting", patience_s=START_PATIENCE_S)
    runtime.thread("inventory-additions", lambda: runtime.additions.keep_fresh(runtime.stop))
    threads = [runtime.thread(name, lambda name=name: _serve(name, runtime)) for name in args.services]  # type: ignore[misc]
    log.info("services.started", services=args.services)
    hangs = _write_heartbeats(runtime, args.services, writer)
    for thread in threads:
        thread.join(STOP_WITHIN_S / len(threads))
    if not any(thread.is_alive() for thread in threads):
        runtime.close()
    for name in args.services:
        writer.withdraw(name)
    log.info("services.stopped", services=args.services, failed=runtime.failed.is_set())
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    if hangs:
        os._exit(1)  # Python itself would wait for some kinds of threads
    return 1 if runtime.failed.is_set() else 0


def _write_heartbeats(runtime: Runtime, services: Sequence[str], writer: HeartbeatWriter) -> bool:
    """Write the services' heartbeats until the runtime stops; returns whether it stopped because one of them hangs.

    A supervisor ends a hanging process from outside. Without one, in a container, the process ends itself.
    """
    late: dict[str, PartHeartbeat | None] = {}
    while not runtime.stop.wait(SIGN_EVERY_S):
        for name in services:
            before, late[name] = late.get(name), writer.write(name).overdue()
            now = late[name]
            # Twice the same: after a pause of the whole container every part is late once.
            if not writer.supervised and before and now and (before.part, before.count) == (now.part, now.count):
                log.error("service.hangs", service=name, part=now.part, doing=now.doing, silent_s=now.age_s)
                runtime.failed.set()
                runtime.stop.set()
                return True
    return False


def _serve(name: str, runtime: Runtime) -> None:
    try:
        importlib.import_module(SERVICES[name]).serve(runtime)
    except KotaError as exc:
        log.error("service.failed", service=name, reason=str(exc))
        runtime.failed.set()
        runtime.stop.set()


def _stop(runtime: Runtime) -> None:
    """End the services. A second signal must not interrupt this: it would wait for the lock that this one holds."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    runtime.stop.set()


def _end_with_parent(supervisor: int) -> None:
    """Ask the kernel for SIGTERM when the supervisor dies, so that nothing is left running without one."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return  # not Linux
    if os.getppid() != supervisor:
        os.kill(os.getpid(), signal.SIGTERM)
