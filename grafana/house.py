"""House defaults of every board: data source, colours, limits, words, and where the console is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from grafana_foundation_sdk.models import common, dashboard

from city.model import City
from grafana.influxql import Select
from grafana.words import Lang, text, texts_below
from ingest.store.device_condition import BUSY_PCT, FILLING_PCT, FULL_PCT, LOSSY_PCT, SLOW_MS

SCHEMA_VERSION: Final = 38
"""What Grafana 9.4 writes itself; newer ones lift it, older data would be lifted by both."""

DATASOURCE_UID: Final = "kota-influx"
DATASOURCE_TYPE: Final = "influxdb"
TAG: Final = "jaga-kota"
PUBLIC_URL: Final = "http://localhost:8080"
"""Address of the console and the API as browsers reach it, unless another is given."""

LAG_ALARM_S: Final = 120
"""From here what is seen is too old to work by."""

GOOD: Final = "semi-dark-green"
WARN: Final = "semi-dark-orange"
BAD: Final = "semi-dark-red"
CALM: Final = "semi-dark-blue"
UNKNOWN: Final = "#8a949e"
PLAIN: Final = "text"

Steps = Sequence[tuple[float | None, str]]
"""From which value on a colour holds; the first has None."""

CALM_STEPS: Final[Steps] = ((None, CALM),)
PLAIN_STEPS: Final[Steps] = ((None, PLAIN),)
GOOD_STEPS: Final[Steps] = ((None, UNKNOWN), (1, GOOD))
ANY_IS_BAD: Final[Steps] = ((None, GOOD), (1, BAD))
ANY_IS_WARN: Final[Steps] = ((None, GOOD), (1, WARN))
FLAG_STEPS: Final[Steps] = ((None, BAD), (1, GOOD))
FILL_STEPS: Final[Steps] = ((None, GOOD), (FILLING_PCT, WARN), (FULL_PCT, BAD))
FUEL_STEPS: Final[Steps] = ((None, BAD), (15, WARN), (30, GOOD))
BUSY_STEPS: Final[Steps] = ((None, GOOD), (BUSY_PCT, WARN), (90, BAD))
LATENCY_STEPS: Final[Steps] = ((None, GOOD), (SLOW_MS, WARN), (2 * SLOW_MS, BAD))
LOSS_STEPS: Final[Steps] = ((None, GOOD), (LOSSY_PCT, WARN), (2 * LOSSY_PCT, BAD))
LAG_STEPS: Final[Steps] = ((None, GOOD), (30, WARN), (LAG_ALARM_S, BAD))

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class House:
    """What all boards of one language share."""

    def __init__(self, lang: Lang, city: City, public_url: str = PUBLIC_URL, tiles: str = "") -> None:
        """Prepare.

        Args:
            lang: Language of every text.
            city: Whose names, extent and time zone are meant.
            public_url: Where browsers reach the console and the API, without a slash at the end.
            tiles: Address of map tiles with `{z}`, `{x}` and `{y}`; empty for a map that needs no internet.
        """
        self.lang = lang
        self.city = city
        self.public_url = public_url.rstrip("/")
        self.tiles = tiles

    def t(self, key: str, **values: object) -> str:
        """A text in this language."""
        return text(key, self.lang, **values)

    def codes(self, path: str) -> dict[str, str]:
        """Codes below a path and what they mean."""
        return texts_below(path, self.lang)

    @cached_property
    def kelurahan(self) -> dict[str, str]:
        """Id to name."""
        return {one.id: one.name for one in self.city.kelurahan.values()}

    @cached_property
    def camera_sites(self) -> dict[str, str]:
        """Id to name of the sites that have a camera."""
        watched = {camera.site for camera in self.city.cameras.values()}
        return {site.id: site.name for site in self.city.sites.values() if site.id in watched}

    def about(self, key: str, queries: Sequence[Select]) -> str:
        """A panel's description: what it shows, and where its data comes from."""
        said = [self.t(f"{key}.about")]
        sources = {(query.measurement.policy or "raw", query.measurement.name, query.windows) for query in queries}
        for policy, name, windows in sorted(sources):
            when = ", ".join(self._window(window) for window in windows)
            said.append(self.t("common.source", what=self.t(f"common.{policy}", name=name), when=when))
        return "\n\n".join(dict.fromkeys(said))

    def _window(self, window: str) -> str:
        if window == "range":
            return self.t("common.range")
        return self.t("common.last", n=self.t(f"common.{_UNITS[window[-1]]}", n=window[:-1]))


def datasource() -> common.DataSourceRef:
    """The city's InfluxDB."""
    return common.DataSourceRef(type_val=DATASOURCE_TYPE, uid=DATASOURCE_UID)


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Limits and their colours."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=value, color=colour) for value, colour in steps],
    )


def value_map(texts: Mapping[str, str], colours: Mapping[str, str] | None = None) -> dashboard.ValueMap:
    """Codes and what is shown for them, with a colour where there is one."""
    given = colours or {}
    return dashboard.ValueMap(
        options={
            code: dashboard.ValueMappingResult(text=shown, color=given.get(code), index=index)
            for index, (code, shown) in enumerate(texts.items())
        }
    )
