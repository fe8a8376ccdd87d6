"""The formats, found by walking this package: which adapter reads a topic, which decoder a frame.

Each folder of this package is a format or a maker. `adapter.py` in it has `ADAPTER`, `frames.py` has `DECODERS`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from broker.contract.topics import TOPICS_REMEMBERED
from city.errors import PayloadError, TopicError
from city.inventory.model import Profile
from ingest.decoding import formats
from ingest.decoding.formats.port import Adapter, DecodedFrame, FrameDecoder

FOLDERS: Final = tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__) if module.ispkg))
"""Names of the folders."""


def _modules(part: str) -> Iterator[tuple[str, ModuleType]]:
    """Folder and module of each folder that has this part."""
    for folder in FOLDERS:
        name = f"{formats.__name__}.{folder}.{part}"
        if find_spec(name):
            yield folder, import_module(name)


def checked_adapter(folder: str, adapter: object) -> Adapter:
    """The adapter of a folder.

    Raises:
        TypeError: It lacks an attribute of the port, or has another name than its folder.
    """
    if not isinstance(adapter, Adapter):
        missing = sorted(name for name in _ATTRIBUTES if not hasattr(adapter, name))
        raise TypeError(f"the adapter of {folder!r} lacks {', '.join(missing)}")
    if adapter.name != folder:
        raise TypeError(f"the adapter of {folder!r} is named {adapter.name!r}")
    return adapter


_ATTRIBUTES: Final = tuple(name for name in vars(Adapter) if not name.startswith("_"))

ADAPTERS: Final = tuple(
    sorted(
        (checked_adapter(folder, module.ADAPTER) for folder, module in _modules("adapter")),
        key=lambda adapter: (adapter.precedence, adapter.name),
    )
)
"""Every adapter, in the order in which they are asked for a topic."""

FILTERS: Final = tuple(topic_filter for adapter in ADAPTERS for topic_filter in adapter.filters)

DECODERS: Final[Mapping[str, FrameDecoder]] = {
    name: decoder for _, module in _modules("frames") for name, decoder in module.DECODERS.items()
}
"""Name, as profiles have it in `frames`, to frame decoder."""

FRAME_MAX_BYTES: Final = 4_096
"""Upper limit of a frame: LoRaWAN has at most 242 bytes, a datagram of NB-IoT some 1,400."""

_PERSONAL_KEYS: Final = tuple(key for adapter in ADAPTERS for key in adapter.personal_keys)


def filters_by_format() -> dict[str, tuple[str, ...]]:
    """Format name to its topic filters."""
    return {adapter.name: adapter.filters for adapter in ADAPTERS}


@lru_cache(maxsize=TOPICS_REMEMBERED)
def adapter_for(topic: str) -> Adapter:
    """The adapter that reads a topic.

    Raises:
        TopicError: No adapter does.
    """
    levels = topic.split("/")
    for adapter in ADAPTERS:
        if adapter.claims(levels):
            return adapter
    near = [topic_filter for topic_filter in FILTERS if topic_filter.split("/")[0] == levels[0]] or FILTERS
    raise TopicError(f"no adapter reads the topic {topic!r}; known: {', '.join(near)}")


def personal_keys(topic: str) -> tuple[str, ...]:
    """Keys whose values identify people in messages of a topic; all known keys for a topic without adapter."""
    try:
        return adapter_for(topic).personal_keys
    except TopicError:
        return _PERSONAL_KEYS


def lists_clients(topic: str) -> bool:
    """Whether messages of a topic may contain clients' addresses; True for a topic without adapter."""
    try:
        return adapter_for(topic).lists_clients
    except TopicError:
        return True


def level_events(profiles: Iterable[Profile]) -> frozenset[str]:
    """Event types that are stored on change only: those of the adapters, and those that profiles map."""
    mapped = {type_ for profile in profiles for type_, rule in profile.events.items() if not rule.noted}
    return frozenset(mapped.union(*(adapter.level_events for adapter in ADAPTERS)))


def decode_frame(name: str, port: int, data: bytes) -> DecodedFrame:
    """Decode a frame by the decoder of a profile.

    Raises:
        PayloadError: There is no such decoder, it does not know this frame, or the frame is too long.
    """
    if len(data) > FRAME_MAX_BYTES:
        raise PayloadError(f"a frame of {len(data)} bytes, more than {FRAME_MAX_BYTES}")
    decoder = DECODERS.get(name)
    if decoder is None:
        raise PayloadError("its profile names no frame decoder" if not name else f"there is no frame decoder {name!r}")
    return decoder(port, data)
