"""Simulated Wi-Fi access points: busy with the people around them, slow when crowded, at times offline."""

from __future__ import annotations

from random import Random
from typing import Final

from city.inventory.model import AccessPoint
from edge.simulator.emission import Emission, EventEmission, StatusEmission, TelemetryEmission, Values, instant
from edge.simulator.habits import ReportSchedule, Spells, by_hour
from edge.simulator.scene import Scene

DOWN_SHARE: Final = 0.05
DOWN_S: Final = (600.0, 3_600.0)
DAY_S: Final = 86_400.0
CLIENT_BYTES_A_S: Final = 14_000.0
"""Average traffic of one person, about 110 kbit/s."""
UPLOAD_SHARE: Final = 0.13
SHARE_2G: Final = 0.35
ROGUE_EVERY_DAYS: Final = 30.0
QUOTA_EVERY_CLIENT_DAYS: Final = 60.0
SATURDAY: Final = 5

_OFFICE: Final = (1, 1, 1, 1, 1, 2, 6, 30, 75, 95, 100, 92, 55, 80, 96, 80, 40, 16, 9, 7, 5, 3, 2, 1)
_PARK: Final = (6, 3, 2, 1, 2, 8, 16, 18, 16, 15, 18, 22, 26, 25, 27, 36, 56, 80, 96, 100, 92, 70, 38, 16)
_STREET: Final = (3, 2, 1, 1, 3, 10, 22, 35, 40, 42, 45, 50, 52, 50, 48, 52, 60, 70, 75, 72, 60, 40, 20, 8)
_CLIENTS_AT_PEAK: Final = {"office": 24.0, "park": 42.0}
_CLIENTS_ELSEWHERE: Final = 14.0


class SimulatedHotspot:
    """One access point, `down` at the start or serving for hours or weeks; its counters restart after every failure."""

    def __init__(self, device: AccessPoint, scene: Scene, *, down: bool = False) -> None:
        self.device = device
        self._scene = scene
        self._random = random = scene.random_of(device.id)
        self._site = scene.site_kind(device)
        peak = _CLIENTS_AT_PEAK.get(self._site or "", _CLIENTS_ELSEWHERE)
        self._peak = peak * random.uniform(0.6, 1.3)
        self._fast_latency_ms = random.uniform(6.0, 24.0)
        self._noise_dbm = random.uniform(-96.0, -88.0)
        self._clients = 0
        self._outage = Spells(DOWN_SHARE, DOWN_S, scene.start_s, random, on=down)
        self._schedule = ReportSchedule(scene.start_s, device.interval_s, random)
        self._up_since_s = scene.start_s - random.uniform(3_600.0, 30 * DAY_S)
        self._tx_bytes = (scene.start_s - self._up_since_s) * self._peak * CLIENT_BYTES_A_S * 0.35
        self._rx_bytes = self._tx_bytes * UPLOAD_SHARE
        self._counted_at_s = scene.start_s
        self._fall_at_s = scene.start_s if down else None

    @property
    def due_s(self) -> float:
        """When the next report is due, seconds since 1970."""
        if self._fall_at_s is not None:
            return self._fall_at_s
        return self._outage.next_s if self._outage.on else min(self._outage.next_s, self._schedule.next_s)

    def wake(self) -> list[Emission]:
        """The emissions due at `due_s`; schedules the next ones."""
        at_s = self.due_s
        if self._fall_at_s is not None:
            self._fall_at_s = None
            return [StatusEmission(self.device.id, instant(at_s), "offline", "lost")]
        if self._outage.next_s > at_s:
            return self._report(at_s)
        self._outage.change()
        if self._outage.on:
            return [StatusEmission(self.device.id, instant(at_s), "offline", "lost")]
        return self._return(at_s)

    def _return(self, at_s: float) -> list[Emission]:
        """Boot: all counters start at zero."""
        self._up_since_s = self._counted_at_s = at_s
        self._tx_bytes = self._rx_bytes = 0.0
        self._clients = 0
        return [
            StatusEmission(self.device.id, instant(at_s), "online"),
            EventEmission(self.device.id, instant(at_s), "reboot", "noted"),
            *self._report(at_s),
        ]

    def _report(self, at_s: float) -> list[Emission]:
        passed_s = max(at_s - self._counted_at_s, 0.0)
        self._clients = self._client_count(at_s)
        self._count_bytes(passed_s)
        self._counted_at_s = at_s
        self._schedule.after(at_s)
        return [
            TelemetryEmission(self.device.id, instant(at_s), self._values(at_s)),
            *self._misuse(at_s, passed_s),
        ]

    def _client_count(self, at_s: float) -> int:
        """Number of clients, by the place's daily rhythm and the previous number."""
        if at_s <= self._up_since_s:
            return 0
        table = {"office": _OFFICE, "park": _PARK}.get(self._site or "", _STREET)
        expected = self._peak * by_hour(table, self._scene.hour(at_s)) / 100
        if self._scene.local(at_s).weekday() >= SATURDAY:
            expected *= {"office": 0.12, "park": 1.3}.get(self._site or "", 1.0)
        drawn = self._random.gauss(expected, 0.7 * expected**0.5 + 0.2)
        seen_before = self._counted_at_s > max(self._up_since_s, self._scene.start_s)
        return max(round((drawn + self._clients) / 2 if seen_before else drawn), 0)

    def _count_bytes(self, passed_s: float) -> None:
        received = passed_s * self._clients * CLIENT_BYTES_A_S * self._random.lognormvariate(-0.1, 0.45)
        self._tx_bytes += received
        self._rx_bytes += received * UPLOAD_SHARE * self._random.uniform(0.7, 1.3)

    def _values(self, at_s: float) -> Values:
        random, clients = self._random, self._clients
        crowd = min(clients / 60.0, 1.0)
        busy_pct = min(6.0 + 80.0 * crowd + random.uniform(0.0, 9.0), 98.0)
        clients_2g = min(round(clients * SHARE_2G * random.uniform(0.7, 1.3)), clients)
        return {
            "clients": clients,
            "rx_bytes": int(self._rx_bytes),
            "tx_bytes": int(self._tx_bytes),
            "channel_busy_pct": round(busy_pct, 1),
            "noise_dbm": round(self._noise_dbm + random.gauss(0, 1.2), 1),
            "latency_ms": round(self._fast_latency_ms * (1 + 2.5 * crowd**2) * random.lognormvariate(0, 0.2), 1),
            "loss_pct": round(min(4.0 * crowd**3 + random.expovariate(8.0), 100.0), 2),
            "cpu_pct": round(min(5.0 + 55.0 * crowd + random.uniform(0.0, 8.0), 100.0), 1),
            "memory_pct": round(min(38.0 + 25.0 * crowd + random.uniform(0.0, 3.0), 100.0), 1),
            "uptime_s": int(at_s - self._up_since_s),
            "clients_by_radio": {"2g": clients_2g, "5g": clients - clients_2g},
            "clients_by_ssid": _split_clients(clients, self.device.ssids, random),
        }

    def _misuse(self, at_s: float, passed_s: float) -> list[Emission]:
        """Rarely a rogue access point with our SSID, or a client over its quota; no person can be identified."""
        days = passed_s / DAY_S
        emissions: list[Emission] = []
        if self.device.ssids and self._random.random() < days / ROGUE_EVERY_DAYS:
            bssid = ":".join(f"{self._random.randrange(256):02x}" for _ in range(6))
            detail = {"ssid": self.device.ssids[0], "bssid": bssid, "rssi_dbm": self._random.randint(-82, -45)}
            emissions.append(EventEmission(self.device.id, instant(at_s), "rogue_ap", "noted", detail))
        if self._random.random() < days * self._clients / QUOTA_EVERY_CLIENT_DAYS:
            client = {"client": f"{self._random.getrandbits(32):08x}", "bytes": self._random.randint(2, 6) * 10**9}
            emissions.append(EventEmission(self.device.id, instant(at_s), "quota_exceeded", "noted", client))
        return emissions


def _split_clients(clients: int, ssids: tuple[str, ...], random: Random) -> dict[str, int]:
    """Clients by SSID: most on the first, the public one."""
    counts: dict[str, int] = {}
    left = clients
    for ssid in ssids[1:]:
        counts[ssid] = min(round(left * random.uniform(0.1, 0.3)), left)
        left -= counts[ssid]
    return {ssids[0]: left, **counts} if ssids else {}
