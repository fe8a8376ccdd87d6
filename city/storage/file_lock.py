"""A lock on a file or folder that the kernel releases with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MODE: Final = 0o600


@contextmanager
def file_lock(path: Path, *, wait: bool = True, shared: bool = False, is_folder: bool = False) -> Iterator[None]:
    """Hold a lock while the context is open; threads of one process exclude each other too.

    Args:
        path: The file, which is made where absent; its folder exists.
        wait: Whether to wait for others.
        shared: Whether others may hold a shared lock at the same time.
        is_folder: Whether `path` is a folder, which exists.

    Raises:
        BlockingIOError: Somebody else holds it, and `wait` is False.
        OSError: The file cannot be made or opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_RDWR | os.O_CREAT, _MODE)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
