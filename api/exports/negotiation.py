"""Which of the offered media types a request wants.

Source: RFC 9110, section 12.5.1.
"""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str, offers: Sequence[str]) -> str | None:
    """The offer that an `Accept` header likes best, the first of equals; None when it takes none of them."""
    wishes = [_wish(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    liked = [(_quality(wishes, offer), offer) for offer in offers]
    best = max(quality for quality, _ in liked)
    return next(offer for quality, offer in liked if quality == best) if best > 0 else None


def _wish(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    given = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return media, float(given)
    except ValueError:
        return media, 0.0


def _quality(wishes: list[tuple[str, float]], offer: str) -> float:
    """The quality of the narrowest range that holds the offer."""
    for range_ in (offer, offer.partition("/")[0] + "/*", "*/*"):
        found = [quality for media, quality in wishes if media == range_]
        if found:
            return max(found)
    return 0.0
