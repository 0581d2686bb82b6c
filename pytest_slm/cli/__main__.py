"""``python -m pytest_slm.cli``: the command ``pytest-slm``, where scripts of the environment are not on the path."""

import sys

from pytest_slm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
