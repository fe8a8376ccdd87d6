"""The registry of frame decoders, by the names that profiles use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from city.errors import PayloadError
from ingest.decoding.frames import decentlab, dragino, milesight, sensoneo
from ingest.decoding.frames.port import DecodedFrame, FrameDecoder

DECODERS: Final[Mapping[str, FrameDecoder]] = {
    "milesight": milesight.decode,
    "dragino-dds": dragino.decode_dds,
    "dragino-ldds04": dragino.decode_ldds04,
    "dragino-llds12": dragino.decode_llds12,
    "dragino-lmds200": dragino.decode_lmds200,
    "dragino-ds20l": dragino.decode_ds20l,
    "decentlab-dl-mbx": decentlab.decode_mbx,
    "decentlab-dl-lid": decentlab.decode_lid,
    "sensoneo-single-3": sensoneo.decode,
}


def decode_frame(name: str, port: int, data: bytes) -> DecodedFrame:
    """Decode a frame by the decoder of a profile.

    Raises:
        PayloadError: There is no such decoder, or it does not know this frame.
    """
    decoder = DECODERS.get(name)
    if decoder is None:
        raise PayloadError("its profile names no frame decoder" if not name else f"there is no frame decoder {name!r}")
    return decoder(port, data)
