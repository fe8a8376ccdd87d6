"""What a panel asks the data source: the SDK knows no InfluxDB, so its query is described here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from grafana_foundation_sdk.cog.variants import Dataquery

from grafana.house import DATASOURCE_TYPE, DATASOURCE_UID
from grafana.influxql import Select

ResultFormat = Literal["table", "time_series"]


class Ask(msgspec.Struct, frozen=True):
    """A query and the names of its series: `$tag_device`, `$col`, or a text."""

    query: Select
    alias: str = ""


class InfluxTarget(Dataquery):
    """One query of a panel as Grafana stores it."""

    def __init__(self, query: str, ref_id: str, result_format: ResultFormat, alias: str = "") -> None:
        """Hold it."""
        self.query = query
        self.ref_id = ref_id
        self.result_format = result_format
        self.alias = alias

    def to_json(self) -> dict[str, object]:
        """As in the board's JSON; raw, since Grafana's own builder knows no subqueries."""
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
        """Read it back."""
        return cls(data["query"], data["refId"], data["resultFormat"], data["alias"])


def targets(asked: Sequence[Ask], result_format: ResultFormat) -> list[Dataquery]:
    """The queries of a panel, A first."""
    return [InfluxTarget(a.query.text, chr(ord("A") + index), result_format, a.alias) for index, a in enumerate(asked)]
