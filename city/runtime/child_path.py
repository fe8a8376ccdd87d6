"""Where a child process finds our packages, when it gets an environment of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = str(Path(__file__).resolve().parents[2])


def child_python_path() -> str:
    """The value of `PYTHONPATH` with which `python -m` finds our modules, whatever the working directory is."""
    return os.pathsep.join((_ROOT, *filter(None, sys.path)))
