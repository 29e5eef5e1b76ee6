"""``python -m simulations.reliability``."""

import sys

from simulations.reliability.run import main

if __name__ == "__main__":
    sys.exit(main())
