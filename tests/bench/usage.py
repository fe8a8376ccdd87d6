"""CPU time and memory of a process, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """What a process has used so far."""

    cpu_s: float
    peak_resident_mb: float


def usage_of(pid: int) -> Usage:
    """From /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak_kb = int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak_kb / 1024)
