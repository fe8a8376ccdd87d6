"""Content negotiation of media types.

Source: RFC 9110, section 12.5.1.
"""

from __future__ import annotations

from collections.abc import Sequence


def best_match(accept: str, offers: Sequence[str]) -> str | None:
    """The offer of the highest quality in an `Accept` header, the first of equals; None if none is acceptable."""
    ranges = [_parse_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    liked = [(_quality(ranges, offer), offer) for offer in offers]
    best = max(quality for quality, _ in liked)
    return next(offer for quality, offer in liked if quality == best) if best > 0 else None


def _parse_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    given = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return media, float(given)
    except ValueError:
        return media, 0.0


def _quality(ranges: list[tuple[str, float]], offer: str) -> float:
    """The quality of the most specific media range that matches the offer."""
    for range_ in (offer, offer.partition("/")[0] + "/*", "*/*"):
        qualities = [quality for media, quality in ranges if media == range_]
        if qualities:
            return max(qualities)
    return 0.0
