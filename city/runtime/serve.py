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
from city.runtime.service_settings import settings_of_services

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
_VERBS: Final = {"simulator": "simulate"}
"""Service to its verb, where that has another name."""
_DOES: Final = {
    "broker": "Run the embedded broker (nats-server) with the accounts and rights of the city.",
    "ingest": "Read the broker, keep every message in the journal, decode it, and write it to the store.",
    "api": "Serve the REST API, the live stream and the console. It reads the store that ingest writes.",
    "vision": "Watch the cameras and report waste that is put down outside the permitted hours. `kota vision score "
    "FOLDER --out FILE` runs the detector over clips; `kota vision model` lists and installs learned detectors.",
    "simulator": "Publish what a city's devices would: bins that fill, trucks that drive, access points, with faults.",
}


def run(argv: list[str]) -> int:
    """`kota serve SERVICE ...`: run services until SIGTERM; exit code 1 if one of them failed."""
    args = _parse(argv)
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


def _parse(argv: list[str]) -> argparse.Namespace:
    """Services and their options. With the one service of a verb, the help is that of the verb."""
    if argv[:1] and argv[0] in _DOES and not (argv[1:] and argv[1] in SERVICES):
        service = argv[0]
        parser = argparse.ArgumentParser(prog=f"kota {_VERBS.get(service, service)}", description=_DOES[service])
        add_settings(parser, settings_of_services([service]))
        args = parser.parse_args(argv[1:])
        args.services = [service]
        return args
    parser = argparse.ArgumentParser(prog="kota serve", description="Run services in one process.")
    parser.add_argument(
        "services", nargs="+", choices=sorted(SERVICES), metavar="SERVICE", help=f"Of {', '.join(sorted(SERVICES))}."
    )
    add_settings(parser, settings_of_services(SERVICES))
    return parser.parse_args(argv)


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
