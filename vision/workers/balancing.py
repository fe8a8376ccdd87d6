"""Distribution of cameras over worker processes by their load: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def worker_count(requested: int, cores: int, cameras: int) -> int:
    """Number of worker processes: `requested`, or if that is 0 one less than the cores; 1 to the number of cameras."""
    return max(1, min(requested or cores - 1, cameras))


def balance(loads: Mapping[str, float], workers: int) -> list[list[str]]:
    """Camera ids by worker: each camera, the heaviest first, goes to the worker with the lowest load.

    Args:
        loads: Camera to its load, in any unit.
        workers: Number of workers, at least 1; with as many cameras, each worker gets one.
    """
    groups: list[list[str]] = [[] for _ in range(workers)]
    totals = [0.0] * workers
    for camera in sorted(loads, key=lambda camera: (-loads[camera], camera)):
        lightest = min(range(workers), key=lambda index: (totals[index], len(groups[index])))
        groups[lightest].append(camera)
        totals[lightest] += loads[camera]
    return groups


def expected_loads(cameras: Collection[str], known: Mapping[str, float]) -> dict[str, float]:
    """Load of each camera: the measured one, else the mean of those measured, else 1."""
    measured = [known[camera] for camera in cameras if camera in known]
    default = sum(measured) / len(measured) if measured else 1.0
    return {camera: known.get(camera, default) for camera in cameras}
