"""Shifts of tests, and the telephone of a crew as the API meets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from fastapi.testclient import TestClient

from city.inventory.model import City
from dispatch.services import DispatchServices
from dispatch.shifts.records import Stop
from people.audit import Origin
from tests.support.dispatching import DAY, plan_by_hand

DISPATCHER = Origin("a1", "maria.seran", "10.0.0.1")


def open_shifts(
    dispatch: DispatchServices, city: City, tours: Mapping[str, Sequence[str]], at: datetime, day: date = DAY
) -> None:
    """Accept a plan that was made by hand: a shift for each truck."""
    plan = dispatch.plans.propose(plan_by_hand(city, tours, at, day=day))
    dispatch.shifts.accept(DISPATCHER, plan, city)


def shift_of(dispatch: DispatchServices, truck: str, day: date = DAY) -> int:
    """The open shift of a truck."""
    return next(shift.id for shift in dispatch.shifts.of_day(day) if shift.truck == truck)


def code_of(dispatch: DispatchServices, truck: str, day: date = DAY) -> str:
    """A new code of a truck's shift."""
    return dispatch.crews.make_code(DISPATCHER, shift_of(dispatch, truck, day)).code


def stops_of(dispatch: DispatchServices, truck: str, day: date = DAY) -> list[Stop]:
    """What a truck's crew has to collect."""
    return [stop for stop in dispatch.shifts.stops(shift_of(dispatch, truck, day)) if stop.kind != "landfill"]


@dataclass
class Phone:
    """A telephone with the app: counts its events, and keeps its token."""

    client: TestClient
    name: str = ""
    token: str = ""
    boot: str = "b1"
    seq: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Those of the app."""
        origin = {"Origin": str(self.client.base_url).rstrip("/")}
        return {**origin, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}

    def sign_in(self, code: str) -> Any:
        """Sign in with a code."""
        body = {"code": code, "earlier": self.token}
        headers = {"Origin": self.headers["Origin"]}
        answer = self.client.post("/crew/api/sign-in", json=body, headers=headers)
        if answer.is_success:
            self.name, self.token = answer.json()["phone"], answer.json()["token"]
        return answer

    def tour(self) -> Any:
        """Ask for the tour."""
        return self.client.get("/crew/api/tour", headers=self.headers)

    def event(self, kind: str, at: datetime, **fields: Any) -> dict[str, Any]:
        """The next event."""
        made = {"phone": self.name, "boot": self.boot, "seq": self.seq, "at": at.isoformat(), "kind": kind, **fields}
        self.seq += 1
        return made

    def send(self, *events: Mapping[str, Any]) -> Any:
        """Send events."""
        return self.client.post("/crew/api/events", json={"events": events}, headers=self.headers)

    def send_photo(self, event: Mapping[str, Any], content: bytes) -> Any:
        """Send the photo of an event."""
        params = {key: event[key] for key in ("phone", "boot", "seq", "at", "stop")}
        return self.client.post("/crew/api/photos", params=params, content=content, headers=self.headers)
