"""InfluxQL queries as values. Every name is checked against the store's schema when a dashboard is built.

InfluxQL works with InfluxDB 1.x, 2.x and 3; Flux only with 2.x. A table is always one series: the outer query selects
the tags of an inner `GROUP BY` as columns, since Grafana versions build different tables from several series.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from grafana.measurements import Measurement

Number = int | float


class QueryError(ValueError):
    """A query reads a name that the store does not write."""


class Term(msgspec.Struct, frozen=True):
    """An expression. `reads`: the fields and tags that it uses."""

    text: str
    reads: tuple[str, ...]

    def __truediv__(self, other: Term | Number) -> Term:
        """Division; InfluxQL answers 0 where the divisor is 0."""
        return self._with("/", other)

    def __mul__(self, other: Term | Number) -> Term:
        """Product."""
        return self._with("*", other)

    def __add__(self, other: Term | Number) -> Term:
        """Sum."""
        return self._with("+", other)

    def __sub__(self, other: Term | Number) -> Term:
        """Difference."""
        return self._with("-", other)

    def alias(self, name: str) -> Column:
        """This term as a named result column."""
        return Column(self, name)

    def _with(self, sign: str, other: Term | Number) -> Term:
        if isinstance(other, Term):
            return Term(f"{self.text} {sign} {other.text}", self.reads + other.reads)
        return Term(f"{self.text} {sign} {other}", self.reads)


class Column(msgspec.Struct, frozen=True):
    """A term with its alias, the name of the result column."""

    term: Term
    name: str

    @property
    def text(self) -> str:
        """The column in a SELECT clause."""
        quoted = quote(self.name)
        return quoted if self.term.text == quoted else f"{self.term.text} AS {quoted}"


class Condition(msgspec.Struct, frozen=True):
    """A part of WHERE. `window`: the time range that a time condition selects, for descriptions of panels."""

    text: str
    reads: tuple[str, ...] = ()
    window: str = ""


class Select(msgspec.Struct, frozen=True):
    """A query. `every`: GROUP BY time. `by`: GROUP BY tags. `fill`: value of empty groups. `newest`: row limit.

    Raises:
        QueryError: It reads a name that its source does not have.
    """

    columns: tuple[Column, ...]
    source: Measurement | Select
    where: tuple[Condition, ...] = ()
    by: tuple[str, ...] = ()
    every: str = ""
    fill: str = ""
    newest: int = 0

    def __post_init__(self) -> None:
        """Check every name."""
        known = self.source.names if isinstance(self.source, Select) else self.source.fields | self.source.tags
        read = [name for column in self.columns for name in column.term.reads]
        read += [name for condition in self.where for name in condition.reads]
        groups = self.tags if isinstance(self.source, Select) else self.source.tags
        unknown = {name for name in read if name not in known} | {name for name in self.by if name not in groups}
        if unknown:
            raise QueryError(f"{self.measurement.path} has no {', '.join(sorted(unknown))}")

    @property
    def measurement(self) -> Measurement:
        """The measurement of the innermost query."""
        return self.source.measurement if isinstance(self.source, Select) else self.source

    @property
    def names(self) -> frozenset[str]:
        """The names that an outer query can read."""
        return frozenset(column.name for column in self.columns) | frozenset(self.by)

    @property
    def tags(self) -> frozenset[str]:
        """The tags by which this query can group: those of the measurement, or those that the inner query groups by."""
        return frozenset(self.source.by) if isinstance(self.source, Select) else self.source.tags

    @property
    def windows(self) -> tuple[str, ...]:
        """The distinct time ranges of the conditions, outermost first."""
        own = [condition.window for condition in self.where if condition.window]
        inner = self.source.windows if isinstance(self.source, Select) else ()
        return tuple(dict.fromkeys((*own, *inner)))

    @property
    def text(self) -> str:
        """The statement."""
        source = f"({self.source.text})" if isinstance(self.source, Select) else self.source.path
        parts = [f"SELECT {', '.join(column.text for column in self.columns)} FROM {source}"]  # noqa: S608 - checked names
        if self.where:
            parts.append("WHERE " + " AND ".join(condition.text for condition in self.where))
        groups = [f"time({self.every})"] if self.every else []
        groups += [quote(name) for name in self.by]
        if groups:
            parts.append("GROUP BY " + ", ".join(groups))
        if self.fill:
            parts.append(f"fill({self.fill})")
        if self.newest:
            parts.append(f"ORDER BY time DESC LIMIT {self.newest}")
        return " ".join(parts)


INTERVAL: Final = "$__interval"
IN_RANGE: Final = Condition("$timeFilter", window="range")


def quote(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def field(name: str) -> Term:
    """A field or a tag."""
    return Term(quote(name), (name,))


def plain(*names: str) -> tuple[Column, ...]:
    """Fields and tags as columns without aliases."""
    return tuple(field(name).alias(name) for name in names)


def call(function: str, name: str) -> Term:
    """A function of one field."""
    return Term(f"{function}({quote(name)})", (name,))


def mean_5m(name: str) -> Term:
    """The exact mean of a field from its five-minute sums and counts."""
    return call("sum", f"{name}_sum") / call("sum", f"{name}_count")


def equals(name: str, value: str | int) -> Condition:
    """A tag or text field equals a text, or a number field a number."""
    literal = str(value) if isinstance(value, int) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return Condition(f"{quote(name)} = {literal}", (name,))


def differs(name: str, value: str) -> Condition:
    """A text field is present and differs from a text."""
    return Condition(f"{quote(name)} <> '{value}'", (name,))


def at_least(name: str, value: Number) -> Condition:
    """A number field is at least a value; rows without the field do not match."""
    return Condition(f"{quote(name)} >= {value}", (name,))


def below(name: str, value: Number) -> Condition:
    """A number field is below a value; rows without the field do not match."""
    return Condition(f"{quote(name)} < {value}", (name,))


def one_of(name: str, values: Iterable[str]) -> Condition:
    """A tag is one of some words of the contract."""
    return Condition(f"{quote(name)} =~ /^({'|'.join(values)})$/", (name,))


def matches_variables(*variables: str) -> tuple[Condition, ...]:
    """Tags match the dashboard variables of the same names; the choice All matches everything.

    The format `regex` is explicit, since the default differs between versions of Grafana.
    """
    return tuple(Condition(f"{quote(name)} =~ /^${{{name}:regex}}$/", (name,)) for name in variables)


def matches_variable(name: str, variable: str) -> Condition:
    """A tag matches the dashboard variable of another name."""
    return Condition(f"{quote(name)} =~ /^${{{variable}:regex}}$/", (name,))


def recent(duration: str) -> Condition:
    """The last `duration` until now, whatever the dashboard's time range is."""
    return Condition(f"time > now() - {duration}", window=duration)


def tag_values(measurement: Measurement, tag: str, *where: Condition) -> str:
    """The query of a dashboard variable: the values of a tag.

    Only raw measurements are supported: InfluxDB 2.7 returns nothing for one with a retention policy.

    Raises:
        QueryError: The tag does not exist, or the measurement is not raw.
    """
    if measurement.policy or tag not in measurement.tags:
        raise QueryError(f"{measurement.path} cannot be asked for values of {tag}")
    statement = f"SHOW TAG VALUES FROM {quote(measurement.name)} WITH KEY = {quote(tag)}"
    return statement + (" WHERE " + " AND ".join(condition.text for condition in where) if where else "")
