"""Shifts: plans that were accepted, the stops of each truck, and what crews and dispatchers do with them."""

from __future__ import annotations
