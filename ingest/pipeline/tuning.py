"""What of the interpreter's defaults does not suit ingest."""

from __future__ import annotations

import gc
import sys
from typing import Final

GC_THRESHOLDS: Final = (50_000, 50, 50)
"""Messages hold no reference cycles; the default threshold of 700 objects costs a tenth of the time."""
SWITCH_INTERVAL_S: Final = 0.02
"""Time for which a thread may run before another gets its turn. At the default of 5 ms, reader, intake and drain spend
a third of their time on taking turns. A page waits so long at most."""


def tune_interpreter() -> None:
    """Set it for the whole process."""
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
