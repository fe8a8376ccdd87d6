"""OwnTracks: positions that are none, and messages nobody can read."""

from __future__ import annotations

from tests.support.decoding import NOW, decoded, device, quality, values


def test_a_position_hundreds_of_metres_wide_is_none() -> None:
    truck = device("owntracks", "u/d", "owntracks-truck")
    at = int(NOW.timestamp())
    body = {"_type": "location", "tst": at, "lat": -10.17, "lon": 123.58, "batt": 40}
    assert values(decoded(truck, "owntracks/u/d", {**body, "acc": 65}))["lat_deg"] == -10.17
    wide = decoded(truck, "owntracks/u/d", {**body, "acc": 1414})
    assert (values(wide), quality(wide)) == ({"battery_pct": 40.0}, ("no_fix",))


def test_owntracks_that_is_encrypted_is_kept_with_what_to_do() -> None:
    found = decoded(device("owntracks", "u/d", "owntracks-truck"), "owntracks/u/d", {"_type": "encrypted", "data": "x"})
    assert found.rejected[0].reason.startswith("encrypted, and nobody here has the key")
