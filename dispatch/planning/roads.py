"""A road graph from an OpenStreetMap extract, and travel times over it.

`kota roads import FILE.osm.pbf` -> `import_roads` (osmium) -> `DATA/planning/roads.npz` -> `load_roads` -> `RoadTravel`
(scipy). Only the planning process and the import load this module; others use `road_process.py`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import cos, radians
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from city.errors import ConfigError
from city.inventory.collection import VehicleClass
from city.inventory.geo import RADIUS_KM
from city.storage.atomic_files import replace_file
from dispatch.planning.problem import TravelTable
from dispatch.planning.road_process import ROADS_FILE
from dispatch.planning.travel import KMH_TO_M_PER_S, PLANNING_FOLDER, BlockedArea, Position, metres_between

Floats = NDArray[np.float64]
SNAP_MAX_M: Final = 2_000.0
"""A place further from every road has straight lines instead."""
OFF_ROAD_KMH: Final = 10.0
OFF_ROAD_FACTOR: Final = 1.4
"""Speed between a place and its road, and how much longer than the straight line that way is."""


class RoadGraph(NamedTuple):
    """Directed roads between junctions.

    `lat_deg`, `lon_deg`: (junctions,) float64. `starts`, `ends`: (roads,) int64, junctions. `metres`, `kmh`: (roads,)
    float64. `is_open_to_large`: (roads,) bool.
    """

    lat_deg: Floats
    lon_deg: Floats
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    metres: Floats
    kmh: Floats
    is_open_to_large: NDArray[np.bool_]


def save_roads(data: Path, graph: RoadGraph) -> None:
    """Write a graph to the data folder.

    Raises:
        StorageError: The disk refuses; the old graph stays.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **graph._asdict())
    replace_file(data / PLANNING_FOLDER / ROADS_FILE, content.getvalue(), parents=True)


def load_roads(data: Path) -> RoadGraph | None:
    """The graph of the data folder; None without one.

    Raises:
        ConfigError: It cannot be read.
    """
    path = data / PLANNING_FOLDER / ROADS_FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            return RoadGraph(**{name: file[name] for name in RoadGraph._fields})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError) as exc:
        raise ConfigError(f"{path}: {exc}; import the roads again") from exc


class RoadTravel:
    """Shortest times over a road graph.

    Args:
        graph: The roads.
        hour_factors: Travel time of each hour relative to the graph's; empty for 1.
    """

    def __init__(self, graph: RoadGraph, hour_factors: tuple[float, ...] = ()) -> None:
        self._graph, self._hour_factors = graph, hour_factors

    def table(
        self,
        places: Sequence[Position],
        vehicle_class: VehicleClass,
        blocked: Sequence[BlockedArea],
        fallback: TravelTable,
    ) -> TravelTable:
        """Distances and times between all places; those of `fallback` where no road leads."""
        shape = (len(places), len(places))
        line_m, line_s = (np.frombuffer(data).reshape(shape).copy() for data in (fallback.metres, fallback.seconds))
        is_open = self._open_roads(vehicle_class, blocked)
        junctions, to_road_m = self._nearest(places, is_open)
        metres, seconds = self._shortest(junctions, is_open)
        off_m = OFF_ROAD_FACTOR * (to_road_m[:, None] + to_road_m)
        metres, seconds = metres + off_m, seconds + off_m / (OFF_ROAD_KMH * KMH_TO_M_PER_S)
        is_reached = np.isfinite(seconds) & (to_road_m[:, None] <= SNAP_MAX_M) & (to_road_m <= SNAP_MAX_M)
        metres, seconds = np.where(is_reached, metres, line_m), np.where(is_reached, seconds, line_s)
        np.fill_diagonal(metres, 0)
        np.fill_diagonal(seconds, 0)
        return TravelTable(len(places), metres.tobytes(), seconds.tobytes(), "roads", self._hour_factors)

    def _open_roads(self, vehicle_class: VehicleClass, blocked: Sequence[BlockedArea]) -> NDArray[np.bool_]:
        """(roads,) bool: roads that the class may drive and that neither begin nor end in a blocked area."""
        graph = self._graph
        is_open = np.ones(len(graph.starts), dtype=np.bool_) if vehicle_class == "small" else graph.is_open_to_large
        for area in blocked:
            inside = _metres_from(area.lat_deg, area.lon_deg, graph) <= area.radius_m
            is_open = is_open & ~inside[graph.starts] & ~inside[graph.ends]
        return is_open

    def _nearest(self, places: Sequence[Position], is_open: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
        """(places,) int64 and float64: the nearest junction of an open road, and how far it is in metres."""
        used = np.unique(np.r_[self._graph.starts[is_open], self._graph.ends[is_open]])
        if not used.size:
            return np.zeros(len(places), dtype=np.int64), np.full(len(places), np.inf)
        junctions, distances = np.zeros(len(places), dtype=np.int64), np.zeros(len(places))
        for number, place in enumerate(places):
            metres = _metres_from(place.lat_deg, place.lon_deg, self._graph)[used]
            junctions[number] = used[metres.argmin()]
            distances[number] = metres.min()
        return junctions, distances

    def _shortest(self, junctions: NDArray[np.int64], is_open: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(places, places) float64 each: metres and seconds of the fastest ways; infinite without one."""
        from scipy.sparse import csr_array  # noqa: PLC0415 - the planning process alone needs scipy
        from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415

        graph, count = self._graph, len(self._graph.lat_deg)
        roads = _fastest_only(graph, is_open, count)
        keys, metres = graph.starts[roads] * count + graph.ends[roads], graph.metres[roads]
        seconds = metres / (graph.kmh[roads] * KMH_TO_M_PER_S)
        matrix = csr_array((seconds, (graph.starts[roads], graph.ends[roads])), shape=(count, count))
        origins, back = np.unique(junctions, return_inverse=True)
        all_m, all_s = np.full((len(origins), len(origins)), np.inf), np.full((len(origins), len(origins)), np.inf)
        for row, origin in enumerate(origins):
            times, previous = dijkstra(matrix, indices=origin, return_predecessors=True)
            all_s[row] = times[origins]
            all_m[row] = _way_lengths(int(origin), previous.astype(np.int64), keys, metres)[origins]
        return all_m[np.ix_(back, back)], all_s[np.ix_(back, back)]


def _fastest_only(graph: RoadGraph, is_open: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Roads in the order of their junctions, one for each pair: a sparse matrix would add times of parallel ones."""
    roads = np.flatnonzero(is_open)
    seconds = graph.metres[roads] / graph.kmh[roads]
    order = roads[np.argsort(seconds, kind="stable")]
    _, first = np.unique(graph.starts[order] * count + graph.ends[order], return_index=True)
    chosen: NDArray[np.int64] = order[first]
    return chosen[graph.metres[chosen] > 0]


def _way_lengths(origin: int, previous: NDArray[np.int64], keys: NDArray[np.int64], metres: Floats) -> Floats:
    """(junctions,) float64: length of the fastest way to each junction; of those that no way reaches, of no meaning.

    Each junction adds the length of the way to its predecessor, then to that one's predecessor at twice the distance,
    and so on: a way of n pieces takes log n steps.

    Args:
        origin: Where the ways begin.
        previous: (junctions,) the junction before each on its way; negative where there is none.
        keys: (roads,) start * junctions + end, in order.
        metres: (roads,) lengths.
    """
    count = len(previous)
    before = np.where(previous < 0, origin, previous)
    places = np.searchsorted(keys, before * count + np.arange(count)).clip(max=len(keys) - 1)
    lengths: Floats = np.where(previous < 0, 0.0, metres[places])
    while (before != origin).any():
        lengths = lengths + lengths[before]
        before = before[before]
    return lengths


def _metres_from(lat_deg: float, lon_deg: float, graph: RoadGraph) -> Floats:
    """(junctions,) float64: distances from a position, on a plane, which is enough within a city."""
    per_deg = radians(1) * RADIUS_KM * 1000
    north = (graph.lat_deg - lat_deg) * per_deg
    east = (graph.lon_deg - lon_deg) * per_deg * cos(radians(lat_deg))
    distances: Floats = np.hypot(north, east)
    return distances


def road_length_m(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Length of a straight piece of road between two positions in degrees."""
    return metres_between(Position(*start, ""), Position(*end, ""))
