"""YAML inside of a page, read with the care that files get."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_slm.errors import UsageError
from pytest_slm.load.document import Value, parse

Problem = tuple[int, str]
"""A line, from 1 on, and what is wrong there."""


def read_yaml(text: str) -> tuple[Value | None, Problem | None]:
    """The value, or what is wrong with the text."""
    try:
        return parse(text, Path("yaml")), None
    except UsageError as error:
        found = re.match(r"yaml:(\d+): (.*)", str(error.args[0]))
        return None, ((int(found.group(1)), found.group(2)) if found else (1, str(error.args[0])))
