"""What the command tells its user: the only place that prints, so that foreign text is shown and never obeyed."""

from __future__ import annotations

import sys

from pytest_slm.errors import lines_shown


def say(text: object) -> None:
    """Print a result: one line or several."""
    print(lines_shown(str(text)), flush=True)


def warn(text: object) -> None:
    """Print what went wrong, or is to be known, beside the results."""
    print(lines_shown(str(text)), file=sys.stderr)
