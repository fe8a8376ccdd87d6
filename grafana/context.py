"""The context in which dashboards are built: language, city, data source, and address of the console."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from grafana_foundation_sdk.models import common

from city.i18n.catalogue import DASHBOARD_TEXTS, Lang
from city.inventory.model import City
from grafana.influxql import Select

SCHEMA_VERSION: Final = 38
"""The schema of Grafana 9.4. Newer Grafana migrates it; an older schema version would be migrated by both."""

DATASOURCE_UID: Final = "kota-influx"
DATASOURCE_TYPE: Final = "influxdb"
TAG: Final = "jaga-kota"
PUBLIC_URL: Final = "http://localhost:8080"
"""Default address of the console and the API for browsers."""

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class DashboardContext:
    """Language, city and addresses shared by all dashboards of one language."""

    def __init__(self, lang: Lang, city: City, public_url: str = PUBLIC_URL, tiles: str = "") -> None:
        """Keep the settings.

        Args:
            lang: Language of every text.
            city: Its names, extent and time zone are used.
            public_url: Where browsers reach the console and the API, without a slash at the end.
            tiles: URL template of map tiles with `{z}`, `{x}` and `{y}`; empty for maps without internet.
        """
        self.lang = lang
        self.city = city
        self.public_url = public_url.rstrip("/")
        self.tiles = tiles

    def t(self, key: str, **values: object) -> str:
        """A text in this language."""
        return DASHBOARD_TEXTS.text(key, self.lang, **values)

    def codes(self, path: str) -> dict[str, str]:
        """The codes below a text path, each with its text."""
        return DASHBOARD_TEXTS.below(path, self.lang)

    @cached_property
    def kelurahan(self) -> dict[str, str]:
        """Kelurahan id to name."""
        return {kelurahan.id: kelurahan.name for kelurahan in self.city.kelurahan.values()}

    @cached_property
    def camera_sites(self) -> dict[str, str]:
        """Site id to name, of sites with a camera."""
        watched = {camera.site for camera in self.city.cameras.values()}
        return {site.id: site.name for site in self.city.sites.values() if site.id in watched}

    @cached_property
    def plates(self) -> dict[str, str]:
        """Truck id to plate."""
        return {truck.id: truck.plate for truck in self.city.trucks.values()}

    def description(self, key: str, queries: Sequence[Select]) -> str:
        """A panel's description: its purpose, and the measurements and time ranges of its queries."""
        paragraphs = [self.t(f"{key}.about")]
        sources = {(query.measurement.policy or "raw", query.measurement.name, query.windows) for query in queries}
        for policy, name, windows in sorted(sources):
            when = ", ".join(self._window(window) for window in windows)
            paragraphs.append(self.t("common.source", what=self.t(f"common.{policy}", name=name), when=when))
        return "\n\n".join(dict.fromkeys(paragraphs))

    def _window(self, window: str) -> str:
        if window == "range":
            return self.t("common.range")
        span = DASHBOARD_TEXTS.plural(f"common.{_UNITS[window[-1]]}", self.lang, int(window[:-1]))
        return self.t("common.last", window=span)


def datasource() -> common.DataSourceRef:
    """A reference to the city's InfluxDB data source."""
    return common.DataSourceRef(type_val=DATASOURCE_TYPE, uid=DATASOURCE_UID)
