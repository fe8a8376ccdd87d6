"""Disks that are full: a small one mounted for a test, and a quota on files for where nobody may mount."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.require import skip_without


@contextmanager
def small_disk(folder: Path, size_kb: int) -> Iterator[Path]:
    """A file system of so many KiB in a folder; the test is skipped where mounting is forbidden."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k,mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        missing = f"a small disk cannot be mounted here: {done.stderr.strip()}" if done.returncode else ""
    except OSError as exc:
        missing = f"a small disk cannot be mounted here: {exc}"
    skip_without(missing)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the space of a small disk; the file to delete for having it back."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return path


@contextmanager
def no_file_grows() -> Iterator[None]:
    """Every write of this process to a file is refused, as on a full disk; pipes and sockets are not."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def free_bytes(disk: Path) -> int:
    """What an ordinary user may still write there."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize
