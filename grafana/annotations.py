"""Annotations: events that time series of a dashboard show as vertical lines, with the device's id."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from grafana_foundation_sdk.models import dashboard

from grafana.context import DashboardContext, datasource
from grafana.influxql import IN_RANGE, Select, equals, matches_variables, one_of, plain
from grafana.measurements import EVENT, Measurement
from grafana.targets import InfluxTarget

_TEXT_COLUMN = "device"


class Annotation(msgspec.Struct, frozen=True):
    """Events of some types of a kind, or its statuses. `key`: of its name.

    `shown`: whether it is on when the dashboard opens.
    """

    key: str
    kind: str
    types: tuple[str, ...]
    colour: str
    state: str = ""
    shown: bool = True
    measurement: Measurement = EVENT

    @property
    def query(self) -> Select:
        """The events in the dashboard's time range."""
        states = (equals("state", self.state),) if self.state else ()
        types = (one_of("type", self.types),) if self.types else ()
        where = (equals("kind", self.kind), *types, *states, IN_RANGE, *matches_variables("city"))
        return Select(plain(_TEXT_COLUMN, "state"), self.measurement, where)


class InfluxAnnotation(dashboard.AnnotationQuery):
    """An annotation of InfluxDB: Grafana reads its query from the annotation, the SDK knows none there."""

    def to_json(self) -> dict[str, object]:
        """The annotation as stored in a dashboard."""
        assert isinstance(self.target, InfluxTarget)  # noqa: S101 - for the type: `annotation_list` makes them so
        return {**super().to_json(), "query": self.target.query, "textColumn": _TEXT_COLUMN}


def annotation_list(context: DashboardContext, annotations: Sequence[Annotation]) -> dashboard.AnnotationContainer:
    """The annotations of a dashboard; each can be switched at its top."""
    listed: list[dashboard.AnnotationQuery] = [
        InfluxAnnotation(
            name=context.t(f"annotations.{annotation.key}"),
            datasource=datasource(),
            enable=annotation.shown,
            icon_color=annotation.colour,
            target=InfluxTarget(annotation.query.text, "Anno", "table"),
        )
        for annotation in annotations
    ]
    return dashboard.AnnotationContainer(list_val=listed)
