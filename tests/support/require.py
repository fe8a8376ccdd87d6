"""Parts of the machine that a test needs: present, or the test is skipped loudly, or fails where all are required."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2].parent / "shared"


def require_program(name: str) -> str:
    """The path of a program."""
    return _found(shutil.which(name), f"program {name!r} is not installed")


def require_shared(relative: str) -> Path:
    """A file or folder of the real-world samples beside the project."""
    path = SHARED / relative
    return Path(_found(str(path) if path.exists() else None, f"{relative} is not in the folder of samples"))


def require_nothing_missing(missing: str) -> None:
    """A part that says itself what it lacks, with nothing missing when that is empty."""
    _found(None if missing else "all there", missing)


def skip_without(missing: str) -> None:
    """Skip a test of a part that no package brings, saying why; also where every part is required."""
    if missing:
        pytest.skip(missing)


def _found(value: str | None, missing: str) -> str:
    if value is None:
        if os.environ.get("KOTA_TEST_REQUIRE") == "all":
            pytest.fail(f"KOTA_TEST_REQUIRE=all, but {missing}")
        pytest.skip(missing)
    return value
