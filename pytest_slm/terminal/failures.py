"""What pytest tells of a failure: an answer of a model may be in it, and is shown and not obeyed."""

from __future__ import annotations

import re

import pytest

from pytest_slm.errors import lines_shown

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""pytest colours the differences that it explains; a model that colours its answer is not to be told apart from it."""


def show(report: pytest.TestReport) -> None:
    """Write out what would steer a terminal in the failure of an item and in what was captured of it, in place."""
    report.sections = [(_shown(name), _shown(text)) for name, text in report.sections]
    told = report.longrepr
    if isinstance(told, str):
        report.longrepr = _shown(told)
    elif isinstance(told, tuple):  # of a skip: file, line, reason
        report.longrepr = (*told[:2], _shown(told[2]))
    places = [getattr(told, "reprcrash", None)]
    for traceback, place, _ in getattr(told, "chain", ()):  # pytest's ExceptionChainRepr
        places.append(place)
        for entry in traceback.reprentries:
            entry.lines = [_shown(line) for line in entry.lines]
            places.append(getattr(entry, "reprfileloc", None))
    for place in filter(None, places):
        place.message = _shown(place.message)


def _shown(text: str) -> str:
    return lines_shown(COLOURS.sub("", text))
