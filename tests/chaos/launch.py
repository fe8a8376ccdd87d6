"""The command line with what a chaos run has asked for: a mutant, a moment to die at, a clock that jumps."""

from __future__ import annotations

import sys
from typing import Final

from ingest.pipeline import intake_child, intake_process
from tests.chaos import moments, mutants

INTAKE: Final = "intake"


def main(argv: list[str]) -> int:
    """Run `kota` so; the first argument names a mutant, empty for none. `intake` is ingest's own process of intake."""
    from city.cli.main import main as kota  # noqa: PLC0415 - after the code is changed

    mutants.apply(argv[0])
    moments.apply()
    intake_process.COMMAND = (sys.executable, "-m", "tests.chaos.launch", argv[0], INTAKE)  # type: ignore[misc]
    return intake_child.main() if argv[1:] == [INTAKE] else kota(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
