"""The queue of cases: which are shown, in what order, and which of the same place may be one and the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args
from urllib.parse import urlencode

from ingest.store.cases import Case

Show = Literal["waiting", "all", "confirmed", "rejected"]

SHOWN: Final[tuple[Show, ...]] = get_args(Show)
SAME_TIME: Final = timedelta(minutes=30)
OFFERED: Final = 6
"""Cases to merge with that are offered at most."""
_PAGE_DIGITS: Final = 5


@dataclass(frozen=True)
class Question:
    """What the address asks for; empty texts leave a filter open, `page` counts from 1, `case` names a single one."""

    show: Show = "waiting"
    camera: str = ""
    site: str = ""
    case: str = ""
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Question:
        """Read it from an address; what makes no sense is left open."""
        show: Show = next((one for one in SHOWN if one == asked.get("show")), "waiting")
        texts = {name: asked.get(name, "").strip()[:80] for name in ("camera", "site", "case")}
        page = asked.get("page", "1")
        is_number = page.isascii() and page.isdigit() and len(page) <= _PAGE_DIGITS
        return cls(show, **texts, page=max(1, int(page)) if is_number else 1)

    def address(self, page: int) -> str:
        """The address of another page of the same question."""
        given = {"show": self.show, "camera": self.camera, "site": self.site}
        return "/dumping?" + urlencode({**{k: v for k, v in given.items() if v}, "page": page})

    def matches(self, case: Case) -> bool:
        """Whether a case is among those asked for; a merged one is shown where it was merged into, and alone."""
        if self.case:
            return case.id == self.case
        if (self.camera and case.camera != self.camera) or (self.site and case.site != self.site):
            return False
        wanted = "none" if self.show == "waiting" else self.show
        return case.verdict != "merged" if self.show == "all" else case.verdict == wanted


def merge_offers(case: Case, cases: Iterable[Case]) -> list[Case]:
    """Other cases of the same site it may be one with: of the same place and half an hour first, then the nearest.

    Rejected and merged cases are none to merge with.
    """
    others = [one for one in cases if one.site == case.site and one.id != case.id and one.counts]
    others.sort(key=lambda one: (not is_likely_same(case, one), abs(one.raised_at - case.raised_at), one.id))
    return others[:OFFERED]


def is_likely_same(case: Case, other: Case) -> bool:
    """Whether two cases are of the same place within half an hour: their boxes touch, or one of them has none."""
    if case.camera != other.camera or abs(case.raised_at - other.raised_at) > SAME_TIME:
        return False
    if not case.box or not other.box:
        return True
    (x0, y0, w0, h0), (x1, y1, w1, h1) = case.box, other.box
    return abs((x0 + w0 / 2) - (x1 + w1 / 2)) <= (w0 + w1) / 2 and abs((y0 + h0 / 2) - (y1 + h1 / 2)) <= (h0 + h1) / 2
