"""Areas: the parts of the city in which a person acts, as `KIND:NAME`; none is the whole city."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where something is; empty texts are unknown."""

    kelurahan: str = ""
    site: str = ""
    camera: str = ""
    stream: str = ""


def covers(areas: Sequence[str], place: Place) -> bool:
    """Whether areas include a place.

    One of the kelurahan, sites and cameras has to be the place's, if there are any; so has one of the streams, if the
    place has a stream.
    """
    wanted = [area.partition(":") for area in areas]
    locations = [(kind, name) for kind, _, name in wanted if kind != "stream"]
    streams = [name for kind, _, name in wanted if kind == "stream"]
    names = {"kelurahan": place.kelurahan, "site": place.site, "camera": place.camera}
    is_there = not locations or any(names.get(kind) == name for kind, name in locations)
    return is_there and (not streams or not place.stream or place.stream in streams)
