"""A data folder belongs to one `kota up`, or to one verb that needs it alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from city.errors import KotaError, StorageError
from city.storage.file_lock import file_lock

LOCK_NAME: Final = "up.lock"


@contextmanager
def lock_data_folder(data: Path) -> Iterator[None]:
    """Hold the data folder for this process alone.

    Raises:
        KotaError: Another `kota up` has it.
        StorageError: It cannot be made.
    """
    with ExitStack() as held:
        try:
            data.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(data / LOCK_NAME, wait=False))
        except BlockingIOError as exc:
            raise KotaError(f"{data} is in use by another `kota up`; give --data DIR for a second city") from exc
        except OSError as exc:
            raise StorageError(f"{data}: {exc.strerror or exc}") from exc
        yield


def in_use(data: Path) -> bool:
    """Whether a `kota up`, or a verb that needs the folder alone, has it."""
    path = data / LOCK_NAME
    try:
        if path.exists():
            with file_lock(path, wait=False, shared=True):
                pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
