"""Watches the cameras that have a source: in this process, or in several if there are cores for it."""

from __future__ import annotations

import importlib
import os
from math import ceil
from pathlib import Path
from typing import Final

import structlog

from city.runtime.blind_cameras import forget_other_cameras
from city.runtime.service import Runtime
from vision.models.fetching import fetch_in_background
from vision.workers.balancing import worker_count
from vision.workers.coordinator import Coordinator
from vision.workers.watch_list import WatchList, watched_cameras

log = structlog.get_logger("vision")

CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")
"""A container's CPU quota (control groups 2): microseconds of CPU and the period in microseconds, or `max`."""


def serve(runtime: Runtime) -> None:
    """Watch every camera of the city that has a source, until the runtime stops; changes of the inventory are followed.

    Raises:
        ConfigError: A camera's source does not exist.
        StuckError: A camera's own thread hangs.
    """
    cameras = watched_cameras(runtime)
    forget_other_cameras(runtime.settings.data, {camera.id for camera in cameras})
    if cameras:
        fetch_in_background(runtime.settings)
    workers = worker_count(runtime.settings.vision_workers, cores_to_use(), len(cameras))
    if workers > 1:
        log.info("vision.workers_started", cameras=len(cameras), workers=workers)
        Coordinator(runtime, WatchList(runtime).current, workers).run()
    else:
        # By name: OpenCV is loaded only where pictures are looked at.
        importlib.import_module("vision.workers.camera_group").CameraGroup(runtime, WatchList(runtime).current).run(
            lambda loads: runtime.beat("vision", f"{len(loads)} cameras")
        )


def cores_to_use(cpu_max: Path = CPU_MAX) -> int:
    """Cores this process may use, rounded up where a container has a share of them."""
    cores = len(os.sched_getaffinity(0))
    try:
        share_us, period_us = map(int, cpu_max.read_text().split())
    except (OSError, ValueError):
        return cores
    return min(cores, ceil(share_us / period_us))
