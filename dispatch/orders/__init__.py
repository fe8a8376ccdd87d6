"""Work orders: what has to be done at a place besides the tours, such as fetching dumped waste."""

from __future__ import annotations
