"""Runs the command line: ``python -m banditroute``."""

import sys

from banditroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
