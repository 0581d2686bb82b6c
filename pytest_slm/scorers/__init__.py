"""Scorers decide whether one answer is right. They are pure: no model, no clock, no network, no pytest.

A scorer is a function ``(Sample, Generation) -> Verdict``. Other packages add theirs through the hook
``pytest_slm_register_scorers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_slm.core.types import Generation, Sample, Verdict

Scorer = Callable[[Sample, Generation], Verdict]

SCORERS: Mapping[str, str] = {
    "contains": "pytest_slm.scorers.match:contains",
    "exact": "pytest_slm.scorers.match:exact",
    "needle": "pytest_slm.scorers.match:needle",
    "number": "pytest_slm.scorers.number:number",
    "refusal": "pytest_slm.scorers.refusal:refusal",
    "tool_calls": "pytest_slm.scorers.tool_calls:tool_calls",
}
