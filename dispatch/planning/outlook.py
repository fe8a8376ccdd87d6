"""What planning is told of containers: how full each will be, and how likely it overflows. Forecasts give it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class ContainerOutlook(msgspec.Struct, frozen=True):
    """One container on the day of service.

    `fill_pct`: expected level when it is collected. `overflow_probability`: that it overflows before it could be
    collected on a later day. `full_at`, `full_spread_s`: when it is full and how uncertain that is; None if unknown.
    """

    fill_pct: float
    overflow_probability: Probability
    full_at: datetime | None = None
    full_spread_s: float | None = None


Outlooks = Mapping[str, ContainerOutlook]
"""Container to its outlook; a container that is absent is one of unknown level."""
