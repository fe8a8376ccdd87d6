"""docker-compose.yml as Compose reads it: variables filled in, override files merged, addresses named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.support.brokers import ROOT

FILE: Final = ROOT / "docker-compose.yml"
TLS_FILE: Final = ROOT / "docker-compose.tls.yml"
FOLDERS: Final = ("api", "broker", "city", "dispatch", "edge", "grafana", "ingest", "people", "vision")
"""What our image holds of the project, and nothing else of it."""
OUR_IMAGE: Final = "jaga-kota"
VARIABLE: Final = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\})")
"""`$$`, `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; no other form is used here."""

Services = dict[str, dict[str, Any]]


class Mount(NamedTuple):
    """One mount of a container: a volume, or a folder in it, or a folder of the machine."""

    source: str
    target: str
    subpath: str = ""
    read_only: bool = False


class MissingVariableError(Exception):
    """A variable that the file insists on is not set."""


def services(variables: Mapping[str, str], *files: Path) -> Services:
    """The services of the files, the first as a base for the rest."""
    merged: Services = {}
    for path in files or (FILE,):
        filled = _filled(yaml.safe_load(path.read_text(encoding="utf-8"))["services"], variables)
        for name, service in filled.items():
            merged[name] = _merged(merged.get(name, {}), service)
    return merged


def texts() -> str:
    """Both files, comments included."""
    return FILE.read_text(encoding="utf-8") + TLS_FILE.read_text(encoding="utf-8")


def ours(found: Services) -> Services:
    """Those that run our image."""
    return {name: service for name, service in found.items() if service["image"].partition(":")[0] == OUR_IMAGE}


def mounts_of(service: Mapping[str, Any]) -> list[Mount]:
    """The mounts of a service, in their short and their long form."""
    return [_mount(mount) for mount in service.get("volumes", [])]


def _mount(mount: str | Mapping[str, Any]) -> Mount:
    if isinstance(mount, str):
        source, target, *options = mount.split(":")
        return Mount(source, target, read_only=options == ["ro"])
    options_of_volume = mount["volume"]
    return Mount(mount["source"], mount["target"], options_of_volume["subpath"], mount.get("read_only", False))


def read_env(path: Path) -> dict[str, str]:
    """The variables of a `.env` file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    return VARIABLE.sub(lambda hit: _one(hit, variables), value) if isinstance(value, str) else value


def _one(hit: re.Match[str], variables: Mapping[str, str]) -> str:
    if hit["escaped"]:
        return "$"
    found = variables.get(hit["name"], "")
    if not found and hit["how"] == "?":
        raise MissingVariableError(f"{hit['name']}: {hit['rest']}")
    return found or hit["rest"] or ""


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lists of mounts and ports add up, everything else that is named again is replaced."""
    added: dict[str, Any] = {key: [*base.get(key, []), *over[key]] for key in ("ports", "volumes") if key in over}
    return base | over | added
