"""The short list of learned detectors, and their installation from a pinned address or from a file.

`known.toml` names each with its size and SHA-256: nothing else is ever installed under its name.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import tomllib
import urllib.request
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from city.errors import ConfigError, RetryLaterError
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file

FOLDER: Final = "models"
FETCH_TIMEOUT_S: Final = 60.0
_LIST: Final = Path(__file__).with_name("known.toml")


class KnownModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the list. `use` is its description, as `vision.detect.onnx_detector` reads it."""

    name: str
    title: str
    licence: str
    address: str
    bytes: int
    sha256: str
    use: Mapping[str, Any]


@cache
def known_models() -> Mapping[str, KnownModel]:
    """The models of the list by name, the preferred one first."""
    content = tomllib.loads(_LIST.read_text())
    own = {"title", "licence", "address", "bytes", "sha256"}
    return {
        name: KnownModel(
            name=name,
            **{key: value for key, value in table.items() if key in own},
            use={"classes": content["classes"], **{key: value for key, value in table.items() if key not in own}},
        )
        for name, table in content["models"].items()
    }


def find_model(name: str) -> KnownModel:
    """A model of the list.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in known_models():
        raise ConfigError(f"there is no model {name!r}; known: {', '.join(known_models())}")
    return known_models()[name]


def model_path(data: Path, name: str) -> Path:
    """Where a model is installed."""
    return data / FOLDER / f"{name}.onnx"


def installed_model(data: Path) -> Path | None:
    """The preferred one of the models that are installed; None if there is none."""
    paths = (model_path(data, name) for name in known_models())
    return next((path for path in paths if path.is_file()), None)


def chosen_model(settings: Settings) -> Path | None:
    """The model of the settings, which may not exist, or else the installed one; None without any."""
    return settings.vision_model or installed_model(settings.data)


def install(data: Path, model: KnownModel, content: bytes) -> Path:
    """Write a model and its description durably.

    Raises:
        ConfigError: The content is not that of the list.
        StorageError: The disk refuses; nothing has changed.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) != model.bytes or sha256 != model.sha256:
        raise ConfigError(
            f"{model.name}: this is another file: {len(content)} bytes, SHA-256 {sha256}; "
            f"the list has {model.bytes} bytes, SHA-256 {model.sha256}"
        )
    path = model_path(data, model.name)
    description = "".join(f"{key} = {json.dumps(value)}\n" for key, value in model.use.items())
    replace_file(path.with_suffix(".toml"), description, parents=True)
    replace_file(path, content)
    return path


def fetch(model: KnownModel) -> bytes:
    """The model's file from its address; what is longer than the list says is cut off.

    Raises:
        RetryLaterError: The address does not answer.
    """
    try:
        with urllib.request.urlopen(model.address, timeout=FETCH_TIMEOUT_S) as answer:  # noqa: S310 - https, of the list
            content: bytes = answer.read(model.bytes + 1)
    except (OSError, http.client.HTTPException) as exc:
        raise RetryLaterError(f"{model.address}: {exc}") from exc
    return content
