"""How cameras are shared among worker processes: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def worker_count(asked: int, cores: int, cameras: int) -> int:
    """Worker processes to run: what was asked for, or (0) a core each but one; never more than cameras, at least 1."""
    return max(1, min(asked or cores - 1, cameras))


def share(loads: Mapping[str, float], workers: int) -> list[list[str]]:
    """Cameras by worker: the heaviest first, each to the worker that has least to do.

    Args:
        loads: Camera to what it costs, in any unit.
        workers: At least 1; nobody is idle while there are as many cameras.
    """
    shares: list[list[str]] = [[] for _ in range(workers)]
    totals = [0.0] * workers
    for camera in sorted(loads, key=lambda camera: (-loads[camera], camera)):
        least = min(range(workers), key=lambda index: (totals[index], len(shares[index])))
        shares[least].append(camera)
        totals[least] += loads[camera]
    return shares


def expected_loads(cameras: Collection[str], known: Mapping[str, float]) -> dict[str, float]:
    """What each camera will cost: as measured, else as the others do on average."""
    measured = [known[camera] for camera in cameras if camera in known]
    usual = sum(measured) / len(measured) if measured else 1.0
    return {camera: known.get(camera, usual) for camera in cameras}
