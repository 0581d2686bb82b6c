"""How a model without any skill comes to a task's chance level, in words."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import definitions

GUESSING = "by guessing"
BALANCED = "by doing the same with every question"


def chance_text(suite: str, task: str, metric: str, levels: Iterable[float]) -> str:
    """The chance levels of a task, which are shares, and how they come about: as its suite says (``chances``), else by
    what its metric is called."""
    definition = definitions().get(suite)
    said = definition.suite.facts.chances.get(task, "") if definition else ""
    told = dict.fromkeys(f"{100 * level:.3g}{numbers.NBSP}%" for level in sorted(levels))
    if not told:
        return said or "not known"
    if list(told) == [f"0{numbers.NBSP}%"]:
        return next(iter(told))  # what is written cannot be guessed
    usual = BALANCED if metric.startswith("balanced_") else GUESSING
    return f"{', '.join(told)}, {said or usual}"
