"""`kota vision model`: list the learned detectors, and install one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError
from city.runtime.options import add_settings, settings_from
from vision.models.known import KnownModel, fetch, find_model, install, installed_model, known_models, model_path

_MB: Final = 1_000_000


class ModelRow(msgspec.Struct, frozen=True):
    """A model of the list. `state`: used, installed, or empty."""

    name: str
    title: str
    licence: str
    bytes: int
    address: str
    state: str


def run(argv: list[str]) -> int:
    """List the models, or install one."""
    parser = argparse.ArgumentParser(prog="kota vision model", description="Learned detectors of people and vehicles.")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="List the models, and which are installed.")
    listing.add_argument("--json", action="store_true", help="One JSON array.")
    getting = actions.add_parser("get", help="Install a model; running cameras use it within seconds.")
    getting.add_argument("name", help="Its name in the list.")
    getting.add_argument("--from", dest="file", type=Path, help="Take it from this file, where there is no internet.")
    for action in actions.choices.values():
        add_settings(action, ("data",))
    args = parser.parse_args(argv)
    data = settings_from(args).data
    return _get(data, args.name, args.file) if args.action == "get" else _list(data, as_json=args.json)


def _list(data: Path, *, as_json: bool) -> int:
    rows = [_row(data, model) for model in known_models().values()]
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
    else:
        for row in rows:
            size = f"{row.bytes / _MB:.1f} MB"
            print(f"{row.name:16} {row.title:20} {size:8} {row.licence:13} {row.state}".rstrip())
    return 0


def _row(data: Path, model: KnownModel) -> ModelRow:
    path = model_path(data, model.name)
    state = "used" if path == installed_model(data) else "installed" if path.is_file() else ""
    return ModelRow(model.name, model.title, model.licence, model.bytes, model.address, state)


def _get(data: Path, name: str, file: Path | None) -> int:
    model = find_model(name)
    try:
        content = file.read_bytes() if file else fetch(model)
    except OSError as exc:
        raise ConfigError(f"{file}: {exc.strerror or exc}") from exc
    path = install(data, model, content)
    print(f"{model.title} ({model.licence}) is installed as {path}; cameras use it within seconds")
    return 0
