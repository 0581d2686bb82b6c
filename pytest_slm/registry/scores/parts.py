"""Full runs that asked a part of the questions only, because the data folder has only a part of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_slm.core.types import MEASURED, Result, RunReport, SuiteFacts
from pytest_slm.load.builtin import built_in_rows

Part = tuple[int, int]
"""How many questions were asked, and of how many."""


def rows_of(suite: str, suites: Mapping[str, SuiteFacts]) -> Mapping[str, int]:
    """How many questions the whole data sets of a suite's tasks have, for each variant: as the suite says, or the
    built-in one of its name where the reports are older than that."""
    return {**built_in_rows().get(suite, {}), **(suites[suite].rows if suite in suites else {})}


def part_of(results: Iterable[Result], rows: int | None) -> Part | None:
    """The part that full runs of variants of a task have asked; None where they asked all, or nobody knows of how
    many."""
    measured = [one for one in results if one.outcome in MEASURED]
    asked = sum(one.n_scored + one.n_unscored for one in measured)
    whole = (rows or 0) * len(measured)
    return (asked, whole) if 0 < asked < whole else None


def result_part(run: RunReport, result: Result) -> Part | None:
    """The part that an item of a run has asked."""
    return part_of([result], rows_of(result.suite, run.suites).get(result.task)) if run.standard else None
