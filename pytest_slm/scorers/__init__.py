"""Scorers decide whether one answer is right. They are pure: no model, no clock, no network, no pytest.

A scorer is a function ``(Sample, Generation) -> Verdict``. The built-in ones are named in ``SCORERS`` and imported at
first use; other packages add theirs to a ``Scorers`` registry through the hook ``pytest_slm_register_scorers``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import cast

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError, did_you_mean

Scorer = Callable[[Sample, Generation], Verdict]

SCORERS: Mapping[str, str] = {
    "contains": "pytest_slm.scorers.match:contains",
    "exact": "pytest_slm.scorers.match:exact",
    "needle": "pytest_slm.scorers.match:needle",
    "number": "pytest_slm.scorers.number:number",
    "refusal": "pytest_slm.scorers.refusal:refusal",
    "tool_calls": "pytest_slm.scorers.tool_calls:tool_calls",
}


class Scorers:
    """The scorers that a run knows by name: the built-in ones and those that other packages registered."""

    def __init__(self) -> None:
        self._known: dict[str, Scorer | str] = dict(SCORERS)

    def register(self, name: str, scorer: Scorer | str) -> None:
        """Add a function, or ``"package.module:function"`` to import at first use. A name is given only once."""
        if name in self._known:
            raise UsageError(f"scorer {name!r} is registered already. Choose another name", slug="scorer-duplicate")
        self._known[name] = scorer

    def lookup(self, name: str) -> Scorer:
        """The scorer of that name, imported now if need be. Raises UsageError with the nearest known name."""
        if name not in self._known:
            raise UsageError(f"unknown scorer {name!r}. {did_you_mean(name, self._known)}", slug="scorer-unknown")
        found = self._known[name]
        return _imported(name, found) if isinstance(found, str) else found


def _imported(name: str, where: str) -> Scorer:
    module, _, function = where.partition(":")
    try:
        return cast(Scorer, getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"scorer {name!r} cannot be imported from {where!r} ({error}). Register it as 'package.module:function'",
            slug="scorer-import",
        ) from error
