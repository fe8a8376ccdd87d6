"""The review queue of cases: filter, and candidates for a merge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

from api.queries.url_filter import read_page, read_texts, write_query
from ingest.store.views.cases import Case

Show = Literal["waiting", "open", "all", "confirmed", "rejected"]

SHOWN: Final[tuple[Show, ...]] = get_args(Show)
SAME_TIME: Final = timedelta(minutes=30)
OFFERED: Final = 6
"""Maximum number of offered merge candidates."""


@dataclass(frozen=True)
class CaseFilter:
    """The filter of the case queue, from the URL. Empty texts match all; `page` counts from 1; `case` is an id."""

    show: Show = "waiting"
    camera: str = ""
    site: str = ""
    case: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> CaseFilter:
        """The filter of query parameters; invalid values are ignored."""
        show: Show = next((choice for choice in SHOWN if choice == query.get("show")), "waiting")
        return cls(show, **read_texts(query, ("camera", "site", "case")), page=read_page(query))

    def address(self, page: int) -> str:
        """The URL of another page with the same filter."""
        given = {"show": self.show, "camera": self.camera, "site": self.site}
        return f"/dumping?{write_query(given, page)}"

    def matches(self, case: Case) -> bool:
        """Whether a case matches. A merged case matches by its own id only."""
        if self.case:
            return case.id == self.case
        if (self.camera and case.camera != self.camera) or (self.site and case.site != self.site):
            return False
        if self.show == "open":
            return case.is_open
        wanted = "none" if self.show == "waiting" else self.show
        return case.verdict != "merged" if self.show == "all" else case.verdict == wanted


def merge_offers(case: Case, cases: Iterable[Case]) -> list[Case]:
    """Merge candidates: other cases of the site, those of the same place within half an hour first, then by time.

    Rejected and merged cases are no candidates.
    """
    others = [other for other in cases if other.site == case.site and other.id != case.id and other.counts]
    others.sort(key=lambda other: (not is_likely_same(case, other), abs(other.raised_at - case.raised_at), other.id))
    return others[:OFFERED]


def is_likely_same(case: Case, other: Case) -> bool:
    """Whether two cases of a camera are within half an hour of each other, and their boxes touch or one has no box."""
    if case.camera != other.camera or abs(case.raised_at - other.raised_at) > SAME_TIME:
        return False
    if not case.box or not other.box:
        return True
    (x0, y0, w0, h0), (x1, y1, w1, h1) = case.box, other.box
    return abs((x0 + w0 / 2) - (x1 + w1 / 2)) <= (w0 + w1) / 2 and abs((y0 + h0 / 2) - (y1 + h1 / 2)) <= (h0 + h1) / 2
