"""The command line with what a chaos run has asked for: a mutant, a moment to die at, a clock that jumps."""

from __future__ import annotations

import sys

from tests.chaos import moments, mutants


def main(argv: list[str]) -> int:
    """Run `kota` so; the first argument names a mutant, empty for none."""
    from city.cli.main import main as kota  # noqa: PLC0415 - after the code is changed

    mutants.apply(argv[0])
    moments.apply()
    return kota(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
