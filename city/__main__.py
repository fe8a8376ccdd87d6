"""`python -m city`: what the `kota` script runs."""

import sys

from city.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
