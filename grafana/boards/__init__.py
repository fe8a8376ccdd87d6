"""The boards, one file each."""

from __future__ import annotations

from typing import Final

from grafana.board import Board
from grafana.boards.command import COMMAND
from grafana.boards.dispatch import DISPATCH
from grafana.boards.dumping import DUMPING
from grafana.boards.fleet import FLEET
from grafana.boards.platform import PLATFORM_HEALTH
from grafana.boards.wifi import WIFI

BOARDS: Final[tuple[Board, ...]] = (DISPATCH, DUMPING, FLEET, WIFI, COMMAND, PLATFORM_HEALTH)
"""In the order a city uses them."""
