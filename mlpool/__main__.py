"""``python -m mlpool`` is the command line."""

import sys

from mlpool.cli import main

if __name__ == "__main__":
    sys.exit(main())
