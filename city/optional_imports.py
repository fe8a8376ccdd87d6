"""Packages that a library loads only if they are installed, and that we make no use of."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

_LOCK = threading.RLock()
"""Services of one process load their libraries in threads of their own."""


@contextlib.contextmanager
def hide_modules(*names: str) -> Iterator[None]:
    """Let imports of these modules fail inside the block; those that are loaded already stay available."""
    modules: dict[str, Any] = sys.modules
    with _LOCK:
        hidden = [name for name in names if name not in modules]
        modules.update(dict.fromkeys(hidden))  # an import of a module that is None is refused
        try:
            yield
        finally:
            for name in hidden:
                del modules[name]
