"""Words in the names of keys: what makers call what a field of the contract holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from city.inventory.units import parse_unit

Strength = Literal["strong", "weak", "doubtful"]
_BATTERY: Final = ("battery", "batt", "bat", "vbat", "vbatt", "accu", "baterai", "aki")


class FieldWords(NamedTuple):
    """Words of a field; a phrase is words that all occur.

    A weak phrase may also mean another thing, a doubtful one often does; so does a strong one beside a word of `doubt`.
    With a word of `against` the field is not meant.
    """

    strong: tuple[str, ...]
    weak: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    against: frozenset[str] = frozenset()
    doubt: frozenset[str] = frozenset()


def _words(strong: str, weak: str = "", doubtful: str = "", against: str = "", doubt: str = "") -> FieldWords:
    """Phrases parted by commas, words of `against` and `doubt` parted by spaces."""
    parts = [tuple(phrase.strip() for phrase in text.split(",") if phrase.strip()) for text in (strong, weak, doubtful)]
    return FieldWords(parts[0], parts[1], parts[2], frozenset(against.split()), frozenset(doubt.split()))


_OTHER_LEVELS: Final = (
    f"{' '.join(_BATTERY)} fuel signal water humidity cpu memory mem disk volt voltage noise sound light"
    " temperature temp snr rssi charge health"
)
WORDS: Final[Mapping[str, FieldWords]] = {
    "distance_mm": _words(
        "distance, dist, tof, ultrasonic, ultrasound, sonar, lidar, range, proximity, proxx, jarak, echo",
        "us, d, dis",
        "level, lvl, height, tinggi, depth",
        f"total travelled travel trip odometer fill filling filled {_OTHER_LEVELS}",
    ),
    "fill_pct": _words(
        "fill, filling, filled, fullness, full, occupancy, percent, percentage, remaining, free, empty, isi, kepenuhan",
        "level, lvl, pct, capacity, volume",
        against=_OTHER_LEVELS,
    ),
    "weight_kg": _words("weight, mass, berat", "load, w"),
    "temperature_c": _words(
        "temperature, temp, tmp, suhu",
        "t, celsius",
        against="engine coolant target set",
        doubt=f"cpu chip board mcu internal device {' '.join(_BATTERY)}",
    ),
    "tilt_deg": _words("tilt, inclination, kemiringan", "angle, pitch, roll"),
    "lid_open": _words("lid, cover, tutup", "tilt, tilted, door, hall, reed, position, open, flap"),
    "battery_pct": _words(", ".join((*_BATTERY, "soc")), "b, power, charge", against="voltage volt volts vbat vbatt"),
    "battery_v": _words(
        ", ".join((*_BATTERY, "vcc", "vdd")),
        "voltage, volt, volts, v, supply, power",
        against="percent percentage pct soc",
    ),
    "rssi_dbm": _words("rssi", "signal"),
    "lat_deg": _words("lat, latitude, lintang"),
    "lon_deg": _words("lon, lng, long, longitude, bujur"),
    "speed_kmh": _words("speed, spd, velocity, kecepatan, sog", against="wind engine fan limit max"),
    "heading_deg": _words("heading, course, bearing, azimuth, cog, arah", "direction, angle, dir"),
    "hdop": _words("hdop"),
    "ignition": _words("ignition, ign, acc, kontak", "engine, key"),
    "odometer_km": _words("odometer, odo, mileage, total distance, totaldistance", "distance, km, trip"),
    "fuel_pct": _words(
        "fuel level, fuel percent, fuel pct", "fuel, bbm, solar", against="used consumed consumption rate"
    ),
    "fuel_used_l": _words("fuel used, fuel consumed", "fuel consumption"),
    "load_kg": _words("cargo, muatan", "load, weight, berat", against="engine cpu"),
    "pto": _words("pto"),
    "engine_temp_c": _words("engine temperature, engine temp, coolant", "temperature, temp"),
    "satellites": _words("satellites, satellite, sats, sat, numsat, nsat, nsats"),
    "power_v": _words(
        "external voltage, ext voltage, vehicle voltage, supply voltage, main voltage, power voltage, vin",
        "voltage, volt, power, v",
        against=" ".join(_BATTERY),
    ),
    "engine_h": _words("engine hours, hourmeter, hour meter, operating hours, enginehours"),
    "engine_rpm": _words("rpm"),
    "lift_arm": _words("lift arm, arm"),
    "tailgate_open": _words("tailgate", "door"),
    "clients": _words("clients, client, stations, sta, users, user, associated, pengguna", "connected, devices, hosts"),
    "rx_bytes": _words(
        "rx bytes, bytes received, rx octets, received bytes", "rx", against="rate packets errors dropped"
    ),
    "tx_bytes": _words(
        "tx bytes, bytes sent, tx octets, sent bytes", "tx", against="rate packets errors dropped power"
    ),
    "rx_kbps": _words("rx rate, rx kbps, rx speed, rx bps, rx mbps, rx throughput"),
    "tx_kbps": _words("tx rate, tx kbps, tx speed, tx bps, tx mbps, tx throughput"),
    "channel_busy_pct": _words(
        "channel utilization, channel utilisation, channel busy, airtime, channel load",
        "utilization, utilisation, busy",
    ),
    "noise_dbm": _words("noise"),
    "latency_ms": _words("latency, ping, rtt"),
    "loss_pct": _words("loss", against="signal"),
    "cpu_pct": _words("cpu", against="temperature temp"),
    "memory_pct": _words("memory, mem, ram"),
    "uptime_s": _words("uptime", "up"),
    "disk_pct": _words("disk, storage", "flash"),
    "signal_dbm": _words("signal, rssi"),
    "fps": _words("fps, frame rate, framerate"),
    "dropped_frames": _words("dropped frames, frames dropped, dropped", "drops, drop"),
    "bitrate_kbps": _words("bitrate, bit rate"),
    "scene_ok": _words("scene ok"),
    "blind_s": _words("blind"),
    "reconnects": _words("reconnects, reconnect, reconnections"),
}
"""Field of the contract to its words, in English, as makers shorten them, and in Bahasa Indonesia."""

TIME_WORDS: Final = frozenset({"time", "timestamp", "ts", "datetime", "date", "at", "waktu", "utc", "measured"})
EMPTY_WORDS: Final = frozenset({"remaining", "free", "empty", "space"})
"""Words of a percentage that counts what is still free."""
_GENERIC: Final = frozenset({"value", "val", "data", "raw", "avg", "mean", "median", "current", "last", "level", "lvl"})
_NOT_MEASURED: Final = frozenset(
    {
        *("alarm", "threshold", "status", "error", "err", "interval", "period", "config", "limit", "id", "version"),
        *("type", "unit", "units", "timeout", "offset", "low", "min", "calibration", "default", "mode", "warning"),
    }
)
"""Words of settings and states beside a measured number."""
_VOCABULARY: Final = frozenset(
    word for words in WORDS.values() for phrases in words[:3] for phrase in phrases for word in phrase.split()
) | {"voltage", "volt"}
_PIECES: Final = re.compile(r"[^\W\d_]+|\d+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_MILLIVOLT: Final = re.compile(r"mV(?![a-z])")
_TWO_PART_UNITS: Final = {("km", "h"): "kmh", ("m", "s"): "m/s"}


class WordMatch(NamedTuple):
    """How the name of a key matches a field: how well, by which word, with which unit in the name."""

    strength: Strength
    word: str
    unit: str


def words_in(name: str) -> list[str]:
    """The words of a name in lower case: `BatV`, `bat_v` and `batv` have two."""
    parts = (part for piece in _PIECES.findall(_MILLIVOLT.sub("_mv", name)) for part in _CAMEL.split(piece))
    return [word for part in parts for word in _split_fused(part.lower())]


def _split_fused(word: str) -> Iterator[str]:
    """Two known words that are written as one."""
    for end in range(len(word) - 1, 1, -1) if word not in _VOCABULARY and not parse_unit(word) else ():
        head, rest = word[:end], word[end:]
        if head in _VOCABULARY and (rest in _VOCABULARY or parse_unit(rest)):
            yield from (head, rest)
            return
    yield word


def match_words(path: str, field: str, *, is_flag: bool) -> WordMatch | None:
    """How the name of a key matches a field; None if it does not. The innermost telling part of the path decides."""
    words = WORDS.get(field)
    segments, context = _words_of_path(path)
    if words is None or words.against & context:
        return None
    for segment in reversed(segments):
        if match := _match_segment(words, segment, context, is_flag=is_flag):
            return match
        if not all(word in _GENERIC or word.isdigit() or parse_unit(word) for word in segment):
            return None
    return None


@lru_cache(maxsize=512)
def _words_of_path(path: str) -> tuple[tuple[list[str], ...], frozenset[str]]:
    """The words of each part of a path, and all of them; remembered, because every field asks for them."""
    segments = tuple(words_in(segment) for segment in path.split("."))
    return segments, frozenset(word for segment in segments for word in segment)


def _match_segment(
    words: FieldWords, segment: list[str], context: frozenset[str], *, is_flag: bool
) -> WordMatch | None:
    if not is_flag and _NOT_MEASURED.intersection(segment):
        return None
    strong: Strength = "doubtful" if words.doubt & context else "strong"
    grades: tuple[tuple[Strength, tuple[str, ...]], ...] = (
        (strong, words.strong),
        ("weak", words.weak),
        ("doubtful", words.doubtful),
    )
    for strength, phrases in grades:
        for phrase in phrases:
            parts = phrase.split()
            if _stands_in(parts, segment, context):
                return WordMatch(strength, phrase, unit_in(segment, parts))
    return None


def _stands_in(parts: list[str], segment: list[str], context: Collection[str]) -> bool:
    """Whether all words of a phrase occur, one of them here; a single letter only where it is the whole name."""
    if len(parts) == 1 and len(parts[0]) == 1:
        return segment == parts
    return all(part in context for part in parts) and any(part in segment for part in parts)


def unit_in(segment: list[str], parts: Collection[str] = ()) -> str:
    """The unit that a name ends in, or that stands behind one of its words."""
    for first, second in pairwise(segment):
        if (first, second) in _TWO_PART_UNITS:
            return _TWO_PART_UNITS[first, second]
    for place in range(len(segment) - 1, 0, -1):
        is_behind = place == len(segment) - 1 or segment[place - 1] in parts
        if is_behind and segment[place] not in parts and (unit := parse_unit(segment[place])):
            return unit
    return ""
