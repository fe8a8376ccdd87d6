"""`kota check`: inventory and settings validated, each dependency tried; with `--live`, the running city asked too."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import socket
import sys
import urllib.request
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError
from city.inventory.addresses import address_doubt
from city.inventory.codecs import codec_paths, read_saved_codec
from city.inventory.editing.editor import CityEditor
from city.inventory.saved_profiles import read_saved_profile, saved_paths
from city.runtime.local_access import local_token
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import KEY_NAME, Secrets, is_unused
from city.runtime.service import city_files, city_folder, own_city, whole_city
from city.runtime.settings import Settings
from city.runtime.status import api_url

FREE_MIN_BYTES: Final = 500 << 20
CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 10.0
SHOWN_MAX: Final = 20
_OTHERS: Final = {
    "KOTA_COMMAND",
    "KOTA_DATABASE_ADMIN_PASSWORD",
    "KOTA_DATABASE_PASSWORD",
    "KOTA_PYTHON",
    "KOTA_SUPERVISOR",
    "KOTA_TELEGRAF",
    "KOTA_TEST_REQUIRE",
    "KOTA_GRAFANA_TOKEN",
    "KOTA_GRAFANA_INFLUX_USER",
}
"""Variables that are no settings: of the `kota` script, the supervisor, tests and benches, and `kota grafana`."""


class Finding(msgspec.Struct, frozen=True):
    """The outcome of one check. `fatal`: the city cannot run like this."""

    name: str
    ok: bool
    detail: str
    fatal: bool = True


class _System(msgspec.Struct, frozen=True):
    """The part of `GET /api/v1/system` that is read here."""

    too_deep: list[str]


def run(argv: list[str]) -> int:
    """Print every finding; 2 when settings or inventory are wrong, 1 when a dependency does not answer."""
    parser = argparse.ArgumentParser(prog="kota check", description="Validate settings, try dependencies.")
    parser.add_argument("--live", action="store_true", help="Also ask the running city what it measures.")
    parser.add_argument("--json", action="store_true", help="One JSON array.")
    add_settings(parser, ("data", "city", "host", "port", "mqtt_host", "mqtt_port", "clip"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    configured = [_try(name, check, settings) for name, check in _CONFIGURATION.items()]
    runtime = _RUNTIME | _LIVE if args.live else _RUNTIME
    running = [_try(name, check, settings) for name, check in runtime.items()]
    findings = [*configured, *running]
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(findings), indent=1).decode())
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "FAIL" if finding.fatal else "note"
            print(f"{mark} {finding.name}: {finding.detail}")
    if any(not finding.ok for finding in configured):
        return 2
    return 1 if any(finding.fatal and not finding.ok for finding in running) else 0


def _try(name: str, check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except ConfigError as exc:
        return Finding(name, ok=False, detail=str(exc))


def _check_variables(_settings: Settings) -> Finding:
    known = {f"KOTA_{name.upper()}" for name in Settings.model_fields} | _OTHERS
    unknown = sorted(name for name in os.environ if name.startswith("KOTA_") and name not in known)
    if unknown:
        return Finding("settings", ok=False, detail=f"unknown variables: {', '.join(unknown)}")
    return Finding("settings", ok=True, detail="every KOTA_ variable is known and in range")


def _check_inventory(settings: Settings) -> Finding:
    city = whole_city(settings)
    counted = f"{len(city.bins)} bins, {len(city.trucks)} trucks, {len(city.access_points)} access points"
    detail = f"{city.name}: {counted}, {len(city.cameras)} cameras, {len(city.kelurahan)} kelurahan"
    return Finding("inventory", ok=True, detail=detail)


def _check_alarms(settings: Settings) -> Finding:
    # By name: `city` must not depend on those who use it.
    rules = importlib.import_module("dispatch.alarms.rules").load_rules(city_folder(settings.city), settings.data)
    return Finding("alarms", ok=True, detail=f"rules of {len(rules)} kinds can be read")


def _check_notifications(settings: Settings) -> Finding:
    try:
        city = whole_city(settings)
    except ConfigError:
        return Finding("notifications", ok=False, detail="not checked: the inventory is wrong")
    detail = importlib.import_module("dispatch.notifications.check").check(settings, city)
    return Finding("notifications", ok=True, detail=detail)


def _check_planning(settings: Settings) -> Finding:
    policy = importlib.import_module("dispatch.planning.policy").load_policy(city_folder(settings.city))
    return Finding("planning", ok=True, detail=f"policy can be read, overflow_care is {policy.overflow_care:g}")


def _check_saved_profiles(settings: Settings) -> Finding:
    """Profiles saved in the data folder; a wrong one costs itself, and the devices that use it."""
    own, codecs = own_city(settings).profiles, whole_city(settings).codecs
    paths = saved_paths(settings.data)
    return _try_files("saved profiles", paths, lambda path: read_saved_profile(path, own, codecs))


def _check_saved_codecs(settings: Settings) -> Finding:
    """Codecs in the data folder; a wrong one costs itself, and the profiles that name it."""
    own = own_city(settings).codecs
    return _try_files("saved codecs", codec_paths(settings.data), lambda path: read_saved_codec(path, own))


def _try_files(name: str, paths: Collection[Path], read: Callable[[Path], object]) -> Finding:
    """Whether each file can be read."""
    problems = []
    for path in paths:
        try:
            read(path)
        except ConfigError as exc:
            problems.append(str(exc))
    detail = "\n".join(problems) or (f"{len(paths)} saved, all can be read" if paths else "none saved")
    return Finding(name, ok=not problems, detail=detail)


def _check_changed_files(settings: Settings) -> Finding:
    """Files changed in the console, which hide those of the city's folder; it is no reason not to start."""
    editor = CityEditor(city_files(settings), lambda: datetime.now(UTC))
    states = [editor.state(name) for name in city_files(settings).names_of_copies()]
    hiding = [f"{state.path} hides {state.name} of the city's folder" for state in states if state.hides_newer]
    if hiding:
        detail = f"the folder's file has changed since: {'; '.join(hiding)}; compare them, and delete one"
        return Finding("changed files", ok=False, detail=detail, fatal=False)
    names = ", ".join(state.name for state in states)
    detail = f"changed in the console: {names}" if names else "none was changed in the console"
    return Finding("changed files", ok=True, detail=detail, fatal=False)


def _check_addresses(settings: Settings) -> Finding:
    """Third-party addresses that can be heard and are likely mistyped; it is no reason not to start."""
    try:
        devices = whole_city(settings).devices.values()
    except ConfigError:
        return Finding("addresses", ok=False, detail="not checked: the inventory is wrong", fatal=False)
    doubts = [
        f"{device.id}: {doubt}" for device in devices if device.binding and (doubt := address_doubt(device.binding))
    ]
    if not doubts:
        return Finding("addresses", ok=True, detail="none is likely mistyped", fatal=False)
    return Finding("addresses", ok=False, detail=_join_first(doubts, "; "), fatal=False)


def _join_first(parts: list[str], separator: str) -> str:
    """The first parts, and the number of the others."""
    more = [f"and {len(parts) - SHOWN_MAX} more"] if len(parts) > SHOWN_MAX else []
    return separator.join([*parts[:SHOWN_MAX], *more])


def _check_key(settings: Settings) -> Finding:
    if settings.secrets_folder:
        fingerprint = Secrets.of(settings).fingerprint()
        return Finding("key", ok=True, detail=f"{settings.secrets_folder} is of the key with fingerprint {fingerprint}")
    path = settings.data / KEY_NAME
    if is_unused(settings.data):
        return Finding("key", ok=True, detail=f"{path} is made by the first `kota up`")
    fingerprint = Secrets(settings.data).fingerprint()
    return Finding("key", ok=True, detail=f"{path} can be used, fingerprint {fingerprint}")


def _check_clip(settings: Settings) -> Finding:
    if settings.clip and not settings.clip.exists():
        raise ConfigError(f"{settings.clip}: no such file")
    return Finding("clip", ok=True, detail=str(settings.clip or "none, the demo camera shows a rendered scene"))


def _check_python(_settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", ok=sys.version_info >= (3, 11), detail=version)


def _check_disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_existing(settings.data)).free
    return Finding("disk", ok=free >= FREE_MIN_BYTES, detail=f"{free >> 20} MB free for {settings.data}")


def _check_broker(settings: Settings) -> Finding:
    _, mqtt_port = _running_ports(settings)
    return _answers("broker", settings.mqtt_host, mqtt_port)


def _check_api(settings: Settings) -> Finding:
    port, _ = _running_ports(settings)
    return _answers("api", settings.host, port)


def _answers(name: str, host: str, port: int) -> Finding:
    """Whether something listens; before `kota up` nothing does, so it is a note and not a failure."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S):
            return Finding(name, ok=True, detail=f"{host}:{port} answers", fatal=False)
    except OSError as exc:
        detail = f"{host}:{port} does not answer ({exc}); start it with `kota up`"
        return Finding(name, ok=False, detail=detail, fatal=False)


def _check_depths(settings: Settings) -> Finding:
    """Containers whose sensor measures deeper than the inventory says that they are."""
    port, _ = _running_ports(settings)
    request = urllib.request.Request(api_url(settings.host, port, "/api/v1/system"))  # noqa: S310 - our own address
    request.add_header("Authorization", f"Bearer {local_token(settings, ['telemetry.read'])}")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - our own address
            too_deep = msgspec.json.decode(answer.read(), type=_System).too_deep
    except (OSError, msgspec.MsgspecError) as exc:
        return Finding("depths", ok=False, detail=f"the city was not asked: {exc}")
    if not too_deep:
        return Finding("depths", ok=True, detail="no sensor measures deeper than its container", fatal=False)
    detail = f"deeper than their container, check its model: {_join_first(too_deep, ', ')}"
    return Finding("depths", ok=False, detail=detail, fatal=False)


def _running_ports(settings: Settings) -> tuple[int, int]:
    """Ports of the city that runs on this data folder, else the settings'."""
    try:
        run_file = json.loads((settings.data / "run.json").read_text())
        return int(run_file["port"]), int(run_file["mqtt_port"])
    except (OSError, ValueError, KeyError):
        return settings.port, settings.mqtt_port


def _existing(path: Path) -> Path:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path


_CONFIGURATION: Final = {
    "alarms": _check_alarms,
    "notifications": _check_notifications,
    "planning": _check_planning,
    "settings": _check_variables,
    "inventory": _check_inventory,
    "saved codecs": _check_saved_codecs,
    "saved profiles": _check_saved_profiles,
    "key": _check_key,
    "clip": _check_clip,
}
_RUNTIME: Final = {
    "addresses": _check_addresses,
    "changed files": _check_changed_files,
    "python": _check_python,
    "disk": _check_disk,
    "broker": _check_broker,
    "api": _check_api,
}
_LIVE: Final = {"depths": _check_depths}
