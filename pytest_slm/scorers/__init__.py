"""Scorers decide whether one answer is right. They are pure: no model, no clock, no network, no pytest.

A scorer is a function ``(Sample, Generation) -> Verdict``. Other packages add theirs through the hook
``pytest_slm_register_scorers``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError

Scorer = Callable[[Sample, Generation], Verdict]

SCORERS: Mapping[str, str] = {
    "contains": "pytest_slm.scorers.match:contains",
    "exact": "pytest_slm.scorers.match:exact",
    "needle": "pytest_slm.scorers.match:needle",
    "number": "pytest_slm.scorers.number:number",
    "refusal": "pytest_slm.scorers.refusal:refusal",
    "tool_calls": "pytest_slm.scorers.tool_calls:tool_calls",
}


def check_samples(scorer: str, samples: Iterable[Sample], where: object) -> None:
    """Raise UsageError, with the name of the file, for the first sample that a built-in scorer cannot judge by."""
    if scorer not in SCORERS:
        return
    check = importlib.import_module(SCORERS[scorer].partition(":")[0]).check
    for sample in samples:
        try:
            check(sample)
        except UsageError as error:
            raise UsageError(f"{where}: {error.args[0]}", slug=error.slug) from None
