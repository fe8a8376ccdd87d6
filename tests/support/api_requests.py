"""One request for every operation of the API with its success, and those with which it refuses; for a filled city."""

from __future__ import annotations

from typing import Any, Final

from tests.support.access import PASSWORD

CASE: Final = "c-1"
BASE: Final = f"/api/v1/dumping/cases/{CASE}"
BIN: Final = "urn:ngsi-ld:WasteContainer:kupang:bin-0451"
WHY: Final = {"reason": "a reason in whole words"}
ADOPTION: Final = {
    "id": "bin-9001",
    "profile": "milesight-em310-udl",
    "lat_deg": -10.1,
    "lon_deg": 123.6,
    "model": "plastic-240l",
    "waste_kind": "organic",
    "color": "yellow",
}
SQUARE: Final = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]]
PLAN: Final = {"zones": [{"kind": "watch", "name": "w", "polygon": SQUARE}]}
READINGS: Final = "/api/v1/export/readings.csv?device=bin-0451&field=fill_pct"
UNKNOWN: Final = "/api/v1/strangers/1"
ENDLESS: Final = ("/api/v1/stream", "/api/v1/changes")
DRAFTED: Final = {"kind": "bin", "mapping": [{"key": "distance", "field": "distance_mm", "unit": "mm"}]}
CODEC: Final = {"name": "acme-tank", "source": "function decodeUplink(input) { return { data: { n: 1 } }; }"}
ACCOUNT: Final = "ACCOUNT"
"""Stands for the id of the account `viewer`."""
PASSKEY: Final = "PASSKEY"
"""Stands for the body that adds a passkey, whose challenge is new."""
AUTHORIZE: Final = "/api/v1/grafana/authorize"
"""Answers without a body."""
NOBODY: Final = "0123456789abcdef"
ACCOUNT_VERBS: Final = ("disable", "enable", "link", "sessions/end-all")
NEW_TOKEN: Final = {"name": "a script", "rights": ["telemetry.read"], "days": 7}
SHELVED: Final = {"until": "2026-03-01T13:30:00Z", "reason": "under repair"}
"""Of the hour after the time of the tests."""
SAVED: Final = {**DRAFTED, "name": "acme-tank", "unknown_device": 1}

OUTAGES: Final = ("outages", "outages/availability", "export/outages.csv", "export/availability.csv")

SUCCESSES: Final[tuple[tuple[str, str, Any], ...]] = (
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", None),
    ("GET", "/api/v1/openapi.json", None),
    ("GET", "/api/v1/system", None),
    ("GET", "/api/v1/devices?limit=1000", None),
    ("GET", "/api/v1/forecast?limit=200", None),
    ("GET", "/api/v1/devices/bin-0451", None),
    ("GET", "/api/v1/devices/truck-01/latest", None),
    ("GET", "/api/v1/devices/bin-0451/series?field=fill_pct", None),
    ("GET", "/api/v1/devices/bin-0451/series?field=fill_pct&every=5m", None),
    ("GET", "/api/v1/events", None),
    ("GET", "/api/v1/ledger", None),
    ("GET", "/api/v1/dead-letters", None),
    ("POST", "/api/v1/dead-letters/replay", {"ids": [1]}),
    ("GET", "/api/v1/unknown-fields", None),
    ("GET", "/api/v1/map/places.geojson", None),
    ("GET", "/api/v1/map/streets.json", None),
    ("GET", "/api/v1/map/streets/14/13801/8656.json", None),
    ("GET", "/api/v1/map/streets.json", None),
    ("GET", "/api/v1/map/streets/14/13801/8656.json", None),
    *(("GET", f"/api/v1/map/{kind}.geojson", None) for kind in ("bin", "truck", "ap", "camera")),
    ("GET", "/api/v1/trucks/truck-01/trip", None),
    ("GET", "/api/v1/cameras/report", None),
    ("GET", "/api/v1/cameras/report.csv", None),
    ("GET", "/api/v1/alarms", None),
    ("GET", "/api/v1/alarms?state=acknowledged&state=shelved&kind=fire", None),
    ("GET", "/api/v1/alarms/listed", None),
    ("GET", "/api/v1/alarms/1", None),
    ("GET", "/api/v1/notifications?state=failed&state=sent&limit=1", None),
    ("POST", "/api/v1/alarms/acknowledge", {"ids": [1, 2], "note": "somebody goes"}),
    ("POST", "/api/v1/alarms/1/undo", None),
    ("POST", "/api/v1/alarms/1/shelve", SHELVED),
    ("POST", "/api/v1/alarms/1/unshelve", None),
    ("POST", "/api/v1/alarms/1/note", {"text": "a cigarette"}),
    ("GET", "/api/v1/dumping/cases", None),
    ("GET", BASE, None),
    ("POST", f"{BASE}/review", {"verdict": "rejected", "reason": "shadow"}),
    ("GET", f"{BASE}/evidence/before.jpg", None),
    ("GET", f"{BASE}/custody", None),
    ("POST", f"{BASE}/export", None),
    ("POST", f"{BASE}/clear/before.jpg", WHY),
    ("POST", f"{BASE}/erase", WHY),
    ("GET", "/api/v1/cameras/cam-03/zones", None),
    ("PUT", "/api/v1/cameras/cam-01/zones", PLAN),
    ("GET", "/api/v1/cameras/cam-01/still", None),
    ("POST", "/api/v1/messages/unifi/default/device", {}),
    ("POST", "/api/v1/monitoring/device/bin-0451/", {}),
    ("GET", "/api/v1/profiles", None),
    ("GET", "/api/v1/strangers", None),
    ("GET", UNKNOWN, None),
    ("GET", f"{UNKNOWN}/preview?profile=milesight-em310-udl", None),
    ("GET", f"{UNKNOWN}/draft?kind=bin", None),
    ("POST", f"{UNKNOWN}/draft", DRAFTED),
    ("POST", "/api/v1/profiles", SAVED),
    ("POST", "/api/v1/codecs", CODEC),
    ("POST", f"{UNKNOWN}/ignore", None),
    ("POST", f"{UNKNOWN}/notice", None),
    ("POST", f"{UNKNOWN}/adopt", ADOPTION),
    ("GET", "/api/v1/export/devices.geojson", None),
    ("GET", "/api/v1/export/devices.csv", None),
    ("GET", READINGS, None),
    ("GET", "/api/v1/export/events.csv", None),
    *(("GET", f"/api/v1/{path}?kind=ap", None) for path in OUTAGES),
    *(
        ("GET", f"/ngsi-ld/v1/entities?type={type_}&limit=1000&format={form}", None)
        for type_ in ("WasteContainer", "Vehicle", "Device")
        for form in ("normalized", "concise", "simplified")
    ),
    ("GET", f"/ngsi-ld/v1/entities/{BIN}", None),
    ("GET", "/ngsi-ld/v1/types", None),
    ("GET", "/api/v1/me", None),
    ("GET", AUTHORIZE, None),
    ("GET", "/.well-known/jwks.json", None),
    ("GET", "/api/v1/me/sessions", None),
    ("DELETE", "/api/v1/me/sessions/1", None),
    ("POST", "/api/v1/me/tokens", NEW_TOKEN),
    ("GET", "/api/v1/me/tokens", None),
    ("DELETE", "/api/v1/me/tokens/1", None),
    ("POST", "/api/v1/me/passkeys/options", {"password": PASSWORD}),
    ("POST", "/api/v1/me/passkeys", PASSKEY),
    ("GET", "/api/v1/me/passkeys", None),
    ("DELETE", "/api/v1/me/passkeys/2", None),
    ("POST", "/api/v1/me/password", {"old": PASSWORD, "new": "kota yang lebih bersih"}),
    ("POST", "/api/v1/me/sessions/end-others", None),
    ("POST", "/api/v1/tokens", NEW_TOKEN),
    ("GET", "/api/v1/tokens", None),
    ("DELETE", "/api/v1/tokens/2", None),
    ("POST", "/api/v1/accounts", {"name": "maria.seran", "role": "dispatcher", "areas": ["kelurahan:Oesapa"]}),
    ("GET", "/api/v1/accounts", None),
    ("PUT", f"/api/v1/accounts/{ACCOUNT}", {"role": "network_admin"}),
    ("POST", f"/api/v1/accounts/{ACCOUNT}/link", None),
    ("GET", f"/api/v1/accounts/{ACCOUNT}/sessions", None),
    ("DELETE", f"/api/v1/accounts/{ACCOUNT}/sessions/3", None),
    ("POST", f"/api/v1/accounts/{ACCOUNT}/sessions/end-all", None),
    ("POST", f"/api/v1/accounts/{ACCOUNT}/disable", None),
    ("POST", f"/api/v1/accounts/{ACCOUNT}/enable", None),
    ("GET", f"/api/v1/accounts/{ACCOUNT}/passkeys", None),
    ("DELETE", f"/api/v1/accounts/{ACCOUNT}/passkeys/1", None),
    ("GET", "/api/v1/audit?action=account&limit=2", None),
)
"""A request for every operation but the endless stream, in an order in which each is answered with 200."""

ABSENT: Final[tuple[tuple[str, str, Any], ...]] = (
    ("GET", "/api/v1/devices/bin-9999", None),
    ("GET", "/api/v1/devices/bin-9999/latest", None),
    ("GET", "/api/v1/devices/bin-9999/series?field=fill_pct", None),
    ("GET", "/api/v1/trucks/bin-0451/trip", None),
    ("GET", "/api/v1/map/streets/3/1/1.json", None),
    ("GET", "/api/v1/alarms/999", None),
    ("POST", "/api/v1/alarms/acknowledge", {"ids": [1, 999]}),
    *(("POST", f"/api/v1/alarms/999/{verb}", None) for verb in ("undo", "unshelve")),
    ("POST", "/api/v1/alarms/999/shelve", SHELVED),
    ("POST", "/api/v1/alarms/999/note", {"text": "x"}),
    ("GET", "/api/v1/dumping/cases/none", None),
    ("POST", "/api/v1/dumping/cases/none/review", {"verdict": "confirmed"}),
    ("GET", f"{BASE}/evidence/none.jpg", None),
    ("GET", "/api/v1/dumping/cases/none/custody", None),
    ("POST", "/api/v1/dumping/cases/none/export", None),
    ("POST", f"{BASE}/clear/none.jpg", WHY),
    ("POST", "/api/v1/dumping/cases/none/erase", WHY),
    ("GET", "/api/v1/cameras/cam-99/zones", None),
    ("PUT", "/api/v1/cameras/cam-99/zones", PLAN),
    ("GET", "/api/v1/cameras/cam-02/still", None),
    ("POST", "/api/v1/monitoring/device/nobody/", {}),
    ("GET", "/api/v1/strangers/99", None),
    ("GET", "/api/v1/strangers/99/preview?profile=x", None),
    ("GET", "/api/v1/strangers/99/draft", None),
    ("POST", "/api/v1/strangers/99/draft", DRAFTED),
    ("POST", "/api/v1/profiles", {**SAVED, "unknown_device": 99}),
    *(("POST", f"/api/v1/strangers/99/{verb}", None) for verb in ("ignore", "notice")),
    ("POST", "/api/v1/strangers/99/adopt", ADOPTION),
    ("GET", READINGS.replace("0451", "9999"), None),
    ("GET", f"/ngsi-ld/v1/entities/{BIN.replace('0451', '9999')}", None),
    *(("DELETE", f"/api/v1/me/{what}/999", None) for what in ("tokens", "sessions", "passkeys")),
    ("DELETE", "/api/v1/tokens/999", None),
    ("PUT", f"/api/v1/accounts/{NOBODY}", {"role": "viewer"}),
    *(
        ("POST", f"/api/v1/accounts/{NOBODY}/{verb}", None)
        for verb in ("disable", "enable", "link", "sessions/end-all")
    ),
    *(("DELETE", f"/api/v1/accounts/{NOBODY}/{what}/1", None) for what in ("sessions", "passkeys")),
)
INVALID: Final[tuple[tuple[str, str, Any], ...]] = (
    ("GET", "/api/v1/devices?limit=0", None),
    ("GET", "/api/v1/devices/UPPER", None),
    ("GET", "/api/v1/devices/UPPER/latest", None),
    ("GET", "/api/v1/devices/bin-0451/series", None),
    ("GET", "/api/v1/events?limit=0", None),
    ("GET", "/api/v1/forecast?ahead_h=169", None),
    ("GET", "/api/v1/dead-letters?limit=0", None),
    ("GET", "/api/v1/unknown-fields?limit=0", None),
    ("POST", "/api/v1/dead-letters/replay", {"ids": []}),
    ("GET", "/api/v1/map/planes.geojson", None),
    ("GET", "/api/v1/map/streets/14/x/1.json", None),
    ("GET", "/api/v1/map/streets/14/x/1.json", None),
    ("GET", "/api/v1/trucks/UPPER/trip", None),
    ("GET", "/api/v1/cameras/report?day=x", None),
    ("GET", "/api/v1/cameras/report.csv?day=2200-01-01", None),
    ("GET", "/api/v1/alarms?state=burning", None),
    ("GET", "/api/v1/alarms/x", None),
    ("GET", "/api/v1/notifications?state=burning", None),
    ("POST", "/api/v1/alarms/acknowledge", {"ids": []}),
    *(("POST", f"/api/v1/alarms/x/{verb}", None) for verb in ("undo", "unshelve")),
    ("POST", "/api/v1/alarms/1/shelve", {**SHELVED, "until": "2200-01-01T00:00:00Z"}),
    ("POST", "/api/v1/alarms/1/note", {"text": "  "}),
    ("GET", "/api/v1/dumping/cases?from=x", None),
    ("GET", "/api/v1/dumping/cases/UPPER", None),
    ("POST", f"{BASE}/review", {"verdict": "rejected"}),
    ("GET", "/api/v1/dumping/cases/UPPER/evidence/before.jpg", None),
    ("GET", "/api/v1/dumping/cases/UPPER/custody", None),
    ("POST", f"{BASE}/export?lang=xx", None),
    ("POST", f"{BASE}/clear/before.jpg", {"reason": "no"}),
    ("POST", f"{BASE}/erase", {}),
    ("GET", "/api/v1/cameras/UPPER/zones", None),
    ("PUT", "/api/v1/cameras/cam-01/zones", {"zones": [{"kind": "watch", "name": "w", "polygon": SQUARE[:2]}]}),
    ("GET", "/api/v1/cameras/UPPER/still", None),
    ("POST", "/api/v1/messages/owntracks/+/x", {}),
    ("POST", "/api/v1/monitoring/device/bin-0451/?time=x", {}),
    ("GET", "/api/v1/profiles?kind=plane", None),
    ("GET", "/api/v1/strangers/x", None),
    ("GET", f"{UNKNOWN}/preview?profile=none", None),
    ("GET", f"{UNKNOWN}/draft?kind=plane", None),
    ("POST", f"{UNKNOWN}/draft", {**DRAFTED, "container": "barrel"}),
    ("POST", "/api/v1/profiles", {**SAVED, "mapping": []}),
    ("POST", "/api/v1/codecs", {**CODEC, "source": "no JavaScript"}),
    *(("POST", f"/api/v1/strangers/x/{verb}", None) for verb in ("ignore", "notice")),
    ("POST", f"{UNKNOWN}/adopt", {**ADOPTION, "waste_kind": "gold", "lat_deg": 900}),
    *(("GET", f"/api/v1/export/devices.{ending}?kind=plane", None) for ending in ("csv", "geojson")),
    ("GET", f"{READINGS}&field=password", None),
    ("GET", "/api/v1/export/events.csv?kind=plane", None),
    *(("GET", f"/api/v1/{path}?kind=bin", None) for path in OUTAGES),
    ("GET", f"{ENDLESS[0]}?kind=plane", None),
    ("POST", "/api/v1/me/password", {"old": "wrong", "new": PASSWORD}),
    ("POST", "/api/v1/me/passkeys/options", {"password": "wrong"}),
    ("POST", "/api/v1/me/passkeys", {"name": "a telephone", "credential": {}}),
    *(("POST", f"/api/v1/{path}", {**NEW_TOKEN, "rights": ["people.write"]}) for path in ("tokens", "me/tokens")),
    *(("DELETE", f"/api/v1/{path}/x", None) for path in ("tokens", "me/tokens", "me/sessions", "me/passkeys")),
    ("POST", "/api/v1/accounts", {"name": "Maria Seran", "role": "viewer"}),
    ("PUT", f"/api/v1/accounts/{ACCOUNT}", {"role": "emperor"}),
    *(("POST", f"/api/v1/accounts/x/{verb}", None) for verb in ACCOUNT_VERBS),
    *(("GET", f"/api/v1/accounts/x/{what}", None) for what in ("sessions", "passkeys")),
    *(("DELETE", f"/api/v1/accounts/{ACCOUNT}/{what}/x", None) for what in ("sessions", "passkeys")),
    ("GET", "/api/v1/audit?limit=0", None),
)
