"""A data folder belongs to one `kota up`, or to one verb that needs it alone."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from city.errors import KotaError, StorageError

LOCK_NAME: Final = "up.lock"


@contextmanager
def lock_data_folder(data: Path) -> Iterator[None]:
    """Hold the data folder for this process alone.

    Raises:
        KotaError: Another `kota up` has it.
        StorageError: It cannot be made.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        opened = (data / LOCK_NAME).open("a")
    except OSError as exc:
        raise StorageError(f"{data}: {exc.strerror or exc}") from exc
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise KotaError(f"{data} is in use by another `kota up`; give --data DIR for a second city") from exc
        yield


def in_use(data: Path) -> bool:
    """Whether a `kota up`, or a verb that needs the folder alone, has it."""
    try:
        with (data / LOCK_NAME).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
