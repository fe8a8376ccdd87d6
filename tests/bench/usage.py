"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """What a process has used so far."""

    cpu_s: float
    peak_resident_mb: float
    resident_mb: float

    def __add__(self, other: Usage) -> Usage:
        """Both together; peaks are added as if they had come at once."""
        return Usage(
            self.cpu_s + other.cpu_s,
            self.peak_resident_mb + other.peak_resident_mb,
            self.resident_mb + other.resident_mb,
        )


def usage_of(pid: int) -> Usage:
    """From /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    found = (line.split() for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    memory_kb = {words[0]: int(words[1]) for words in found if words and words[0] in ("VmHWM:", "VmRSS:")}
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    return Usage(ticks / ticks_a_second, memory_kb["VmHWM:"] / 1024, memory_kb["VmRSS:"] / 1024)
