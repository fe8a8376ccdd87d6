"""`python -m tests.attacks.honest DATA HOST PORT CA`: one honest device in a process of its own, away from a flood.

Prints after how many seconds its reading had a receipt; ends with 1 when there was none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.attacks.target import SERVED_WITHIN_S, Target, be_served

_ROOT: Final = Path(__file__).parents[2]


def be_served_elsewhere(target: Target) -> float:
    """`be_served` in another process: with a thousand sockets open, this one could not even wait for an answer.

    Raises:
        AssertionError: There was no receipt.
    """
    where = [str(target.data), target.host, str(target.mqtt_port), str(target.ca or "")]
    command = [sys.executable, "-m", "tests.attacks.honest", *where]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=4 * SERVED_WITHIN_S)
    assert done.returncode == 0, done.stdout.strip().splitlines()[-1:] or done.stderr[-300:]
    return float(done.stdout.strip().splitlines()[-1])


def main(argv: list[str]) -> int:
    """Be served once."""
    data, host, port, ca = argv
    try:
        print(be_served(Target(Path(data), host, int(port), ca=Path(ca) if ca else None)))
    except AssertionError as exc:
        print(exc)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
