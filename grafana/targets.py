"""Targets of panels: the queries sent to InfluxDB. The SDK has no InfluxDB query, so this module defines one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from grafana_foundation_sdk.cog.variants import Dataquery

from grafana.context import DATASOURCE_TYPE, DATASOURCE_UID
from grafana.influxql import Select

ResultFormat = Literal["table", "time_series"]


class Target(msgspec.Struct, frozen=True):
    """A query, and the alias of its series: `$tag_device`, `$col`, or a text."""

    query: Select
    alias: str = ""


class InfluxTarget(Dataquery):
    """One InfluxQL query of a panel, in the form that Grafana stores."""

    def __init__(self, query: str, ref_id: str, result_format: ResultFormat, alias: str = "") -> None:
        self.query = query
        self.ref_id = ref_id
        self.result_format = result_format
        self.alias = alias

    def to_json(self) -> dict[str, object]:
        """The target as stored in a dashboard. It is raw, because Grafana's query builder has no subqueries."""
        return {
            "datasource": {"type": DATASOURCE_TYPE, "uid": DATASOURCE_UID},
            "query": self.query,
            "rawQuery": True,
            "resultFormat": self.result_format,
            "alias": self.alias,
            "refId": self.ref_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> InfluxTarget:
        """The target of a stored dashboard."""
        return cls(data["query"], data["refId"], data["resultFormat"], data["alias"])


def influx_targets(targets: Sequence[Target], result_format: ResultFormat) -> list[Dataquery]:
    """The targets of a panel in the SDK's form, with the reference ids A, B, ..."""
    return [
        InfluxTarget(target.query.text, chr(ord("A") + index), result_format, target.alias)
        for index, target in enumerate(targets)
    ]
