"""``python -m banditroute`` is the command line."""

import sys

from banditroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
